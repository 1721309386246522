import { hash } from 'node:crypto';
import type { Cell } from '../routes.ts';
import { type Caller, verifyToken } from './verify-token.ts';

/**
 * Tokens that were verified, each under the SHA-256 of the token and of what it was verified by: cell, host, issuer
 * and keys. So none is known at another host, and none is known after its cell's keys have changed.
 * The one that was not used for longest makes room.
 */
export class KnownTokens {
  readonly #callers = new Map<string, { readonly caller: Caller; readonly trust: string }>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#callers.size;
  }

  /** The caller, if this very token was verified for this cell before and has not expired. */
  find(token: string, cell: Cell, now: number): Caller | null {
    const key = keyOf(token, cell);
    const known = this.#callers.get(key);
    if (known === undefined) return null;
    this.#callers.delete(key);
    if (known.caller.expiresAt <= now || known.caller.cell !== cell.route.cell) return null;
    this.#callers.set(key, known);
    return known.caller;
  }

  async verify(token: string, cell: Cell, now: number): Promise<Caller> {
    const caller = await verifyToken(token, cell, now);
    // In the seconds of tolerance it is good, and not worth remembering.
    if (caller.expiresAt > now) {
      if (this.#callers.size >= this.#max) this.#callers.delete(this.#callers.keys().next().value!);
      this.#callers.set(keyOf(token, cell), { caller, trust: cell.trust });
    }
    return caller;
  }

  /** Forgets what was verified by anything that is not trusted any more. */
  keepOnly(cells: Iterable<Cell>): void {
    const trusted = new Set([...cells].map(({ trust }) => trust));
    for (const [key, { trust }] of this.#callers) if (!trusted.has(trust)) this.#callers.delete(key);
  }
}

const keyOf = (token: string, { trust }: Cell): string => hash('sha256', `${trust}\n${token}`, 'base64');
