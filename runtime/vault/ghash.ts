const BLOCK = 16;
const BYTE_VALUES = 256;
const WORDS = 4;

/**
 * GHASH, the authentication half of AES-GCM (NIST SP 800-38D, 6.4), with one table per byte of the block: what that
 * byte contributes to the product with H. Look-ups depend on data, so somebody who measures this very process's
 * cache could learn about H and forge tags; he would learn nothing of what is sealed.
 */
export class Ghash {
  /** For byte `i` with value `b`: four words from `(i * 256 + b) * 4` on. */
  readonly #products: Uint32Array;
  #y0 = 0;
  #y1 = 0;
  #y2 = 0;
  #y3 = 0;

  constructor(h: Uint8Array) {
    this.#products = products(h);
  }

  begin(): void {
    this.#y0 = this.#y1 = this.#y2 = this.#y3 = 0;
  }

  /** Takes in the bytes from `start` on, the last block filled up with zeros. */
  add(source: Uint8Array, start: number, length: number): void {
    let at = start;
    for (let left = length; left > 0; left -= BLOCK) {
      if (left >= BLOCK) {
        this.#y0 ^= word(source, at);
        this.#y1 ^= word(source, at + 4);
        this.#y2 ^= word(source, at + 8);
        this.#y3 ^= word(source, at + 12);
      } else {
        for (let b = 0; b < left; b++) this.#xorByte(b, source[at + b]);
      }
      at += BLOCK;
      this.#multiply();
    }
  }

  /** Takes in the lengths, in bytes, of the additional data and the text. */
  end(additional: number, text: number): void {
    this.#y1 ^= additional * 8;
    this.#y3 ^= text * 8;
    this.#multiply();
  }

  /** Byte `i` of the result. */
  byte(i: number): number {
    const value = i < 8 ? (i < 4 ? this.#y0 : this.#y1) : i < 12 ? this.#y2 : this.#y3;
    return (value >>> (24 - (i & 3) * 8)) & 0xff;
  }

  #xorByte(i: number, byte: number): void {
    const placed = byte << (24 - (i & 3) * 8);
    if (i < 4) this.#y0 ^= placed;
    else if (i < 8) this.#y1 ^= placed;
    else if (i < 12) this.#y2 ^= placed;
    else this.#y3 ^= placed;
  }

  #multiply(): void {
    const table = this.#products;
    let z0 = 0;
    let z1 = 0;
    let z2 = 0;
    let z3 = 0;
    let base = 0;
    for (let w = 0; w < WORDS; w++) {
      const y = w < 2 ? (w === 0 ? this.#y0 : this.#y1) : w === 2 ? this.#y2 : this.#y3;
      for (let shift = 24; shift >= 0; shift -= 8) {
        const at = base + ((y >>> shift) & 0xff) * WORDS;
        z0 ^= table[at];
        z1 ^= table[at + 1];
        z2 ^= table[at + 2];
        z3 ^= table[at + 3];
        base += BYTE_VALUES * WORDS;
      }
    }
    this.#y0 = z0;
    this.#y1 = z1;
    this.#y2 = z2;
    this.#y3 = z3;
  }
}

const word = (source: Uint8Array, at: number): number =>
  (source[at] << 24) | (source[at + 1] << 16) | (source[at + 2] << 8) | source[at + 3];

/** The field's reduction polynomial, reflected: 1 + x + x^2 + x^7 + x^128. */
const REDUCTION = 0xe1000000;

function products(h: Uint8Array): Uint32Array {
  const table = new Uint32Array(BLOCK * BYTE_VALUES * WORDS);
  // v is H times x^bit; the first bit of a block is the highest of its first byte.
  const v = [word(h, 0), word(h, 4), word(h, 8), word(h, 12)];
  for (let bit = 0; bit < BLOCK * 8; bit++) {
    const base = (bit >> 3) * BYTE_VALUES * WORDS;
    const mask = 0x80 >> (bit & 7);
    for (let value = 0; value < BYTE_VALUES; value++)
      if (value & mask) for (let w = 0; w < WORDS; w++) table[base + value * WORDS + w] ^= v[w];
    const carries = v[3] & 1;
    for (let w = WORDS - 1; w > 0; w--) v[w] = (v[w] >>> 1) | (v[w - 1] << 31);
    v[0] = (v[0] >>> 1) ^ (carries ? REDUCTION : 0);
  }
  return table;
}
