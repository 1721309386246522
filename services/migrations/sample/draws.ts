/** Every bit of the result depends on every bit of `word` (the finalizer of MurmurHash3); a bijection. */
export function mix(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

/**
 * SplitMix32, started anew for each card instead of run through the file: whoever knows the seed and a
 * card's index can draw that card again, so a delta needs no memory of the full file it changes.
 */
export class Draws {
  readonly #key: number;
  #state = 0;

  /** Streams of one seed are independent: what one draws does not shift what another draws. */
  constructor(seed: number, stream: number) {
    this.#key = mix(seed ^ mix(stream + 1));
  }

  startAt(index: number): this {
    this.#state = mix(index ^ this.#key);
    return this;
  }

  /** 32 random bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return mix(this.#state) >>> 0;
  }

  /** From 0 to `count - 1`. Multiplying is faster than a remainder; neither's bias matters in a sample. */
  below(count: number): number {
    return Math.floor((this.next() / 2 ** 32) * count);
  }

  isWithin(percent: number): boolean {
    return this.next() < percent * 42_949_672.96;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}
