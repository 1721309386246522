const FIRST_GROUPS = 1024;

/**
 * Groups records by their 64-bit fingerprints: each distinct one gets a number, counted from zero, and a place
 * in the columns, where the caller keeps what it needs to know of the group. Open addressing over typed
 * arrays; fingerprints are evenly spread already and need no further hashing.
 */
export class GroupTable {
  /** `words[c][group]`: the caller's 32-bit columns. Replaced when the table grows. */
  readonly words: Uint32Array[];
  /** `numbers[c][group]`: the caller's columns of doubles. */
  readonly numbers: Float64Array[];
  #slots = new Int32Array(FIRST_GROUPS * 2);
  #low = new Uint32Array(FIRST_GROUPS);
  #high = new Uint32Array(FIRST_GROUPS);
  #count = 0;

  constructor(columns: { words: number; numbers: number }) {
    this.words = Array.from({ length: columns.words }, () => new Uint32Array(FIRST_GROUPS));
    this.numbers = Array.from({ length: columns.numbers }, () => new Float64Array(FIRST_GROUPS));
  }

  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#count = 0;
  }

  /** The fingerprint's group. A group that equals the former `count` is new; its columns hold old values. */
  group(low: number, high: number): number {
    const mask = this.#slots.length - 1;
    let slot = high & mask;
    for (let group = this.#slots[slot] - 1; group >= 0; group = this.#slots[slot] - 1) {
      if (this.#low[group] === low && this.#high[group] === high) return group;
      slot = (slot + 1) & mask;
    }
    if (this.#count === this.#low.length) {
      this.#grow();
      return this.group(low, high);
    }
    this.#low[this.#count] = low;
    this.#high[this.#count] = high;
    this.#slots[slot] = ++this.#count;
    return this.#count - 1;
  }

  #grow(): void {
    const groups = this.#count * 2;
    this.#low = widened(this.#low, new Uint32Array(groups));
    this.#high = widened(this.#high, new Uint32Array(groups));
    for (let c = 0; c < this.words.length; c++) {
      this.words[c] = widened(this.words[c], new Uint32Array(groups));
    }
    for (let c = 0; c < this.numbers.length; c++) {
      this.numbers[c] = widened(this.numbers[c], new Float64Array(groups));
    }
    this.#slots = new Int32Array(groups * 2);
    const mask = this.#slots.length - 1;
    for (let group = 0; group < this.#count; group++) {
      let slot = this.#high[group] & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = group + 1;
    }
  }
}

function widened<A extends Uint32Array | Float64Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
