/** Of an id's 16 bytes the last 8 are kept: ids are keyed codes, so that any part of them is as good as drawn. */
const HEX_DIGITS = 16;
const FIRST_SLOTS = 1 << 12;
const FULL = 0.5;

/**
 * The ids that were seen so far, 8 bytes each: a hand-back file may name a million accounts. Two of a million ids are
 * taken for one with a chance of one in thirty million; the receiver would then find the trailer wrong.
 */
export class SeenIds {
  /** Open addressing; 0 is a free slot, and no id ends in 16 zeros that is not as rare as a collision. */
  #slots = new BigUint64Array(FIRST_SLOTS);
  #used = 0;

  /** Answers whether the id is new. */
  add(id: string): boolean {
    if (this.#used > this.#slots.length * FULL) this.#grow();
    const key = BigInt(`0x${id.replaceAll('-', '').slice(-HEX_DIGITS)}`);
    if (!this.#put(key)) return false;
    this.#used++;
    return true;
  }

  #put(key: bigint): boolean {
    const mask = this.#slots.length - 1;
    let at = Number(key & BigInt(mask));
    while (this.#slots[at] !== 0n) {
      if (this.#slots[at] === key) return false;
      at = (at + 1) & mask;
    }
    this.#slots[at] = key;
    return true;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new BigUint64Array(before.length * 2);
    for (const key of before) if (key !== 0n) this.#put(key);
  }
}
