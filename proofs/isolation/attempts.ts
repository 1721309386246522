/**
 * What was tried and what came of it. An attempt to cross ends in one of four ways:
 *
 *   stopped   by a guard that is meant to stop it
 *   astray    by another guard than that: the one that should have stopped it is gone, and the next one held
 *   crossed   it got what it must not get
 *   broken    something failed that is no guard (a 500, an error of Node): nothing is proven by it
 *
 * and beside each kind of attempt something legitimate is done, which must succeed: whoever refuses everything proves
 * nothing.
 */
export type Outcome = 'stopped' | 'astray' | 'crossed' | 'broken';

export interface Attempt {
  readonly kind: string;
  readonly what: string;
  readonly outcome: Outcome;
  /** The guard that stopped it, or what it got. */
  readonly by: string;
}

export interface Legitimate {
  readonly kind: string;
  readonly what: string;
  readonly succeeded: boolean;
  readonly found: string;
}

/** What an attempt met: a guard by its name, or what it got. */
export type Met = { readonly guard: string } | { readonly got: string } | { readonly fault: string };

export interface KindTally {
  readonly kind: string;
  readonly attempts: number;
  readonly stoppedBy: Readonly<Record<string, number>>;
  readonly astray: number;
  readonly crossed: number;
  readonly broken: number;
  readonly legitimate: number;
  readonly legitimateRefused: number;
}

export class Attempts {
  readonly all: Attempt[] = [];
  readonly legitimate: Legitimate[] = [];
  readonly #say: (attempt: Attempt) => void;

  /** `say` is told of each attempt as it ends. */
  constructor(say: (attempt: Attempt) => void = () => {}) {
    this.#say = say;
  }

  /** `meant` are the guards that are there for this: their names, or beginnings of them. */
  tried(kind: string, what: string, met: Met, meant: readonly string[]): void {
    const attempt =
      'got' in met
        ? { kind, what, outcome: 'crossed' as const, by: met.got }
        : 'fault' in met
          ? { kind, what, outcome: 'broken' as const, by: met.fault }
          : {
              kind,
              what,
              outcome: meant.some((guard) => met.guard.startsWith(guard))
                ? ('stopped' as const)
                : ('astray' as const),
              by: met.guard,
            };
    this.all.push(attempt);
    this.#say(attempt);
  }

  /** A comparison that must hold: `guard` names what makes it hold. */
  compared(kind: string, what: string, holds: boolean, guard: string, otherwise: string): void {
    this.tried(kind, what, holds ? { guard } : { got: otherwise }, [guard]);
  }

  allowed(kind: string, what: string, succeeded: boolean, found: string): void {
    this.legitimate.push({ kind, what, succeeded, found });
  }

  get bad(): Attempt[] {
    return this.all.filter(({ outcome }) => outcome !== 'stopped');
  }

  get crossed(): Attempt[] {
    return this.all.filter(({ outcome }) => outcome === 'crossed');
  }

  get refusedLegitimate(): Legitimate[] {
    return this.legitimate.filter(({ succeeded }) => !succeeded);
  }

  /** By kind, in the order in which they were first tried. */
  tallies(): KindTally[] {
    const kinds = new Set([...this.all, ...this.legitimate].map(({ kind }) => kind));
    return [...kinds].map((kind) => {
      const tried = this.all.filter((each) => each.kind === kind);
      const legitimate = this.legitimate.filter((each) => each.kind === kind);
      const stoppedBy: Record<string, number> = {};
      for (const { outcome, by } of tried)
        if (outcome === 'stopped') stoppedBy[by] = (stoppedBy[by] ?? 0) + 1;
      const count = (outcome: Outcome) => tried.filter((each) => each.outcome === outcome).length;
      return {
        kind,
        attempts: tried.length,
        stoppedBy,
        astray: count('astray'),
        crossed: count('crossed'),
        broken: count('broken'),
        legitimate: legitimate.length,
        legitimateRefused: legitimate.filter(({ succeeded }) => !succeeded).length,
      };
    });
  }
}

/** How an error of PostgreSQL, of a refusal or of Node is called as a guard; anything else is a fault. */
export function metError(error: unknown): Met {
  const { code, message } = error as { code?: unknown; message?: string };
  if (typeof code === 'string') return { guard: `${namesOfCodes[code] ?? code}` };
  return { fault: (message ?? String(error)).split('\n')[0].slice(0, 160) };
}

const namesOfCodes: Readonly<Record<string, string>> = {
  '42501': 'permission denied',
  '28P01': 'password wrong',
  '28000': 'login refused',
  ERR_ACCESS_DENIED: 'process may not',
};
