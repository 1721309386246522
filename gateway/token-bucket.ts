export interface Taken {
  readonly isAllowed: boolean;
  /** How many more would be allowed at once now. */
  readonly left: number;
  /** Milliseconds until one more is allowed; 0 where one is. */
  readonly waitMs: number;
  /** Milliseconds until as many are allowed as ever. */
  readonly fullMs: number;
}

const SECOND_MS = 1_000;
/** Keys of the last second; beyond so many the one that was not used for longest is forgotten. */
const KEYS_MAX = 100_000;
/** Stale keys that each taking clears away: more than it can add. */
const CLEARED_AT_ONCE = 2;

/**
 * So many requests a second for each key, by the generic cell rate algorithm: a bucket of that many tokens that fills
 * evenly. All of them may be taken at once, and then no more than come back, wherever a second begins: with windows
 * that are counted one by one, twice as many could go through around the edge of two. A key is one number, the time at
 * which its bucket will be full again.
 */
export class TokenBuckets {
  perSecond: number;
  /** In the order in which they were used last; by a clock in milliseconds that cannot jump. */
  readonly #fullAt = new Map<string, number>();

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  get size(): number {
    return this.#fullAt.size;
  }

  take(key: string, nowMs: number): Taken {
    const tokenMs = SECOND_MS / this.perSecond;
    const before = Math.max(this.#fullAt.get(key) ?? nowMs, nowMs);
    const after = before + tokenMs;
    // A token is there when it would still be full within a second; a thousandth of one is lost in fractions.
    const waitMs = after - nowMs - SECOND_MS;
    const isAllowed = waitMs <= tokenMs / 1_000;
    const fullMs = (isAllowed ? after : before) - nowMs;
    if (isAllowed) this.#keep(key, after, nowMs);
    return {
      isAllowed,
      left: Math.max(0, Math.floor((SECOND_MS - fullMs) / tokenMs + 0.001)),
      waitMs: isAllowed ? 0 : waitMs,
      fullMs,
    };
  }

  #keep(key: string, fullAt: number, nowMs: number): void {
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    let cleared = 0;
    for (const [oldest, its] of this.#fullAt) {
      const isStale = its <= nowMs && cleared++ < CLEARED_AT_ONCE;
      if (!isStale && this.#fullAt.size <= KEYS_MAX) break;
      this.#fullAt.delete(oldest);
    }
  }
}
