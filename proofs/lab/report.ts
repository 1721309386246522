import { pc } from '#cli/colours.ts';
import { table } from '#cli/output.ts';

/** One thing that was looked at. `holds` is null where it only informs. */
export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly holds: boolean | null;
}

export interface Verdict {
  readonly held: boolean;
  /** One sentence for the last line. */
  readonly sentence: string;
}

/** What a proof tells: progress while it runs, findings at the end. */
export class Report {
  readonly findings: Finding[] = [];
  readonly #say: (line: string) => void;
  readonly #startedAt = performance.now();
  /** More for programs, beside the findings. */
  readonly details: Record<string, unknown> = {};

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  progress(line: string): void {
    this.#say(`${pc.dim(`${this.seconds.toFixed(1).padStart(6)} s`)}  ${line}`);
  }

  /** A promise looked at. */
  holds(what: string, holds: boolean, found: string): void {
    this.findings.push({ what, found, holds });
    if (!holds) this.progress(`${pc.red('BROKEN')}  ${what}: ${found}`);
  }

  tells(what: string, found: string): void {
    this.findings.push({ what, found, holds: null });
  }

  get broken(): Finding[] {
    return this.findings.filter(({ holds }) => holds === false);
  }

  table(): string {
    return table(
      [{ title: '' }, { title: 'looked at' }, { title: 'found' }],
      this.findings.map(({ what, found, holds }) => [
        holds === null ? pc.dim('·') : holds ? pc.green('holds') : pc.red('BROKEN'),
        what,
        found,
      ]),
    );
  }
}
