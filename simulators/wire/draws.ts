/** Random numbers of a seed (SplitMix32): the same seed, the same story. */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = mix32(seed ^ 0x5bd1e995);
  }

  /** 32 random bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return mix32(this.#state) >>> 0;
  }

  /** From 0 to 1, without 1. */
  share(): number {
    return this.next() / 2 ** 32;
  }

  /** From 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.share() * count);
  }

  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  isWithin(share: number): boolean {
    return this.share() < share;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}

/** The finalizer of MurmurHash3: every bit of the result depends on every bit of `word`. */
export function mix32(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

/** A number of 32 bits for a text (FNV-1a, mixed): the same text, the same number. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix32(hash) >>> 0;
}
