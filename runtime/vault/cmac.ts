import { createCipheriv, type KeyObject } from 'node:crypto';

const BLOCK = 16;

/**
 * AES-256-CMAC (RFC 4493, NIST SP 800-38B) over many short messages at once.
 *
 * CMAC chains block to block inside one message but not between messages, so block `i` of every message
 * goes through the cipher in one call: thousands of card numbers cost a handful of calls instead of
 * thousands of `createHmac`. On 2 cores this is 10 to 20 times faster than one HMAC-SHA256 each
 * (`npm run bench -- keyed-hashes`), and PCI DSS 3.5.1.1 names CMAC among the keyed hashes it accepts.
 *
 * Usage: `add` each message, then `macs()` once; message `i` has its code at bytes `i*16` to `i*16+16`.
 */
export class BatchCmac {
  readonly #key: KeyObject;
  readonly #whole: Buffer; // mask of a complete last block (K1)
  readonly #padded: Buffer; // mask of a padded last block (K2)
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #used = 0;
  #ends: number[] = [];

  constructor(key: KeyObject) {
    this.#key = key;
    const zero = this.#encipher(Buffer.alloc(BLOCK));
    this.#whole = double(zero);
    this.#padded = double(this.#whole);
  }

  get count(): number {
    return this.#ends.length;
  }

  /** Adds the bytes `source[start, end)` as one message and answers its number. */
  add(source: Uint8Array, start = 0, end = source.length): number {
    this.append(source, start, end);
    return this.end();
  }

  /** Adds bytes to the message being built; `end` completes it. */
  append(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    if (this.#used + length > this.#bytes.length) this.#grow(length);
    if (length < 40) for (let i = start, at = this.#used; i < end; i++) this.#bytes[at++] = source[i];
    else this.#bytes.set(source.subarray(start, end), this.#used);
    this.#used += length;
  }

  appendByte(byte: number): void {
    if (this.#used === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#used++] = byte;
  }

  end(): number {
    return this.#ends.push(this.#used) - 1;
  }

  /** The codes of all messages since the last call, 16 bytes each, in the order they were added. */
  macs(): Buffer {
    const count = this.#ends.length;
    const codes = Buffer.alloc(count * BLOCK);
    // Messages still in the chain, and where each one's next block begins.
    let active = Array.from({ length: count }, (_, i) => i);
    let round = 0;
    const inputs = Buffer.allocUnsafe(count * BLOCK);
    while (active.length > 0) {
      const next: number[] = [];
      for (let slot = 0; slot < active.length; slot++) {
        const message = active[slot];
        const end = this.#ends[message];
        const from = (message === 0 ? 0 : this.#ends[message - 1]) + round * BLOCK;
        const left = end - from;
        const to = slot * BLOCK;
        const state = message * BLOCK;
        if (left > BLOCK) {
          for (let b = 0; b < BLOCK; b++) inputs[to + b] = codes[state + b] ^ this.#bytes[from + b];
          next.push(message);
        } else if (left === BLOCK) {
          for (let b = 0; b < BLOCK; b++)
            inputs[to + b] = codes[state + b] ^ this.#bytes[from + b] ^ this.#whole[b];
        } else {
          for (let b = 0; b < BLOCK; b++) {
            const byte = b < left ? this.#bytes[from + b] : b === left ? 0x80 : 0;
            inputs[to + b] = codes[state + b] ^ byte ^ this.#padded[b];
          }
        }
      }
      const enciphered = this.#encipher(inputs.subarray(0, active.length * BLOCK));
      for (let slot = 0; slot < active.length; slot++) {
        const from = slot * BLOCK;
        const to = active[slot] * BLOCK;
        for (let b = 0; b < BLOCK; b++) codes[to + b] = enciphered[from + b];
      }
      active = next;
      round++;
    }
    this.#bytes.fill(0, 0, this.#used); // card numbers do not linger
    this.#used = 0;
    this.#ends = [];
    return codes;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + needed));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes.fill(0);
    this.#bytes = larger;
  }

  #encipher(blocks: Uint8Array): Buffer {
    const cipher = createCipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false);
    return cipher.update(blocks);
  }
}

/** Doubling in GF(2^128), as RFC 4493 derives its two masks. */
function double(block: Buffer): Buffer {
  const doubled = Buffer.alloc(BLOCK);
  let carry = 0;
  for (let i = BLOCK - 1; i >= 0; i--) {
    doubled[i] = ((block[i] << 1) | carry) & 0xff;
    carry = block[i] >> 7;
  }
  if (carry) doubled[BLOCK - 1] ^= 0x87;
  return doubled;
}
