const BITS = 8;

/** A set of line numbers: one bit per line of the file, so a hundred million lines take 12.5 MB. */
export class LineSet {
  #bits = new Uint8Array(1024);
  #size = 0;

  /** A set as `bits` gave it out. */
  static fromBits(bits: Uint8Array): LineSet {
    const set = new LineSet();
    set.#bits = new Uint8Array(bits);
    for (const byte of set.#bits) for (let rest = byte; rest !== 0; rest &= rest - 1) set.#size++;
    return set;
  }

  /** What a thread can send to another. */
  bits(): Uint8Array {
    return this.#bits;
  }

  get size(): number {
    return this.#size;
  }

  add(line: number): void {
    const byte = Math.floor(line / BITS);
    if (byte >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(this.#bits.length * 2, byte + 1));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    const bit = 1 << (line % BITS);
    if ((this.#bits[byte] & bit) !== 0) return;
    this.#bits[byte] |= bit;
    this.#size++;
  }

  has(line: number): boolean {
    return ((this.#bits[Math.floor(line / BITS)] ?? 0) & (1 << (line % BITS))) !== 0;
  }

  /** In rising order. */
  toArray(): Uint32Array {
    const lines = new Uint32Array(this.#size);
    let count = 0;
    for (let byte = 0; byte < this.#bits.length; byte++) {
      const bits = this.#bits[byte];
      for (let bit = 0; bits >> bit !== 0; bit++) {
        if ((bits & (1 << bit)) !== 0) lines[count++] = byte * BITS + bit;
      }
    }
    return lines;
  }
}
