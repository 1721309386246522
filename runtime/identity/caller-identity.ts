import type { KeyObject } from 'node:crypto';

/** How long an identity is good for. Whoever steals one has it for so long. */
export const LIFE_SECONDS = 30;
export const TOKEN_TYPE = 'relevo-caller+jwt';

/** The key by which a caller proves who it is: Ed25519. */
export interface CallerKey {
  readonly kid: string;
  readonly key: KeyObject;
}

/** On whose behalf a call is made: a client of the cell, as the gateway has verified it. */
export interface OnBehalfOf {
  readonly clientId: string;
  readonly scopes: readonly string[];
}

/** For whom an identity is meant: one cell, and inside it one service or, for public operations, any. */
export const audienceOf = (cell: string, service?: string): string =>
  service === undefined ? cell : `${cell} ${service}`;

interface Minted {
  readonly token: Promise<string>;
  readonly atMs: number;
}

const MINTED_MAX = 4_096;

/**
 * What a caller shows of itself with each call: a JWT, signed with its own key, for one cell and service and for half a
 * minute. One is used until half its life is over.
 */
export class CallerIdentity {
  readonly caller: string;
  readonly #key: CallerKey;
  readonly #now: () => number;
  readonly #minted = new Map<string, Minted>();

  constructor(caller: string, key: CallerKey, now: () => number = Date.now) {
    this.caller = caller;
    this.#key = key;
    this.#now = now;
  }

  present(audience: string, behalf?: OnBehalfOf): Promise<string> {
    const now = this.#now();
    const named = behalf ? JSON.stringify([audience, behalf.clientId, behalf.scopes]) : audience;
    const known = this.#minted.get(named);
    // A clock that was set back makes one that is of the future, which nobody would take.
    if (known && known.atMs <= now && now - known.atMs < LIFE_SECONDS * 500) return known.token;
    if (this.#minted.size >= MINTED_MAX) this.#minted.delete(this.#minted.keys().next().value!);
    const minted = { token: this.#sign(audience, now, behalf), atMs: now };
    this.#minted.delete(named);
    this.#minted.set(named, minted);
    return minted.token;
  }

  async #sign(audience: string, nowMs: number, behalf?: OnBehalfOf): Promise<string> {
    // Loaded by the first call: a command that calls nothing does without it.
    const { SignJWT } = await import('jose');
    const at = Math.floor(nowMs / 1_000);
    return new SignJWT(behalf ? { sub: behalf.clientId, scope: behalf.scopes.join(' ') } : {})
      .setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPE, kid: this.#key.kid })
      .setIssuer(this.caller)
      .setAudience(audience)
      .setIssuedAt(at)
      .setExpirationTime(at + LIFE_SECONDS)
      .sign(this.#key.key);
  }
}
