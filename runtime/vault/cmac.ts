import { createCipheriv, type KeyObject } from 'node:crypto';

const BLOCK = 16;
const WORDS = BLOCK / 4;

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
  readonly #whole: Uint32Array; // mask of a complete last block (K1)
  readonly #padded: Uint32Array; // mask of a padded last block (K2)
  /** Messages one after the other, each beginning at a whole block so that words can be read from it. */
  #bytes = Buffer.alloc(64 * 1024);
  #used = 0;
  /** Where each message begins, and after the last one. */
  #starts: number[] = [0];
  #lengths: number[] = [];
  #length = 0;

  constructor(key: KeyObject) {
    this.#key = key;
    const zero = this.#encipher(Buffer.alloc(BLOCK));
    const whole = double(zero);
    this.#whole = words(whole);
    this.#padded = words(double(whole));
  }

  get count(): number {
    return this.#lengths.length;
  }

  /** Adds the bytes `source[start, end)` as one message and answers its number. */
  add(source: Uint8Array, start = 0, end = source.length): number {
    this.append(source, start, end);
    return this.end();
  }

  /** Adds bytes to the message being built; `end` completes it. */
  append(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    this.#reserve(length);
    if (length < 40) for (let i = start, at = this.#used; i < end; i++) this.#bytes[at++] = source[i];
    else this.#bytes.set(source.subarray(start, end), this.#used);
    this.#used += length;
    this.#length += length;
  }

  appendByte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#used++] = byte;
    this.#length++;
  }

  end(): number {
    // The last block is padded here: 10…0 where it is not complete (RFC 4493, 2.4).
    const padding = this.#length === 0 ? BLOCK : -this.#length & (BLOCK - 1);
    if (padding > 0) {
      this.#reserve(padding);
      this.#bytes[this.#used] = 0x80;
      this.#bytes.fill(0, this.#used + 1, this.#used + padding);
      this.#used += padding;
    }
    this.#starts.push(this.#used);
    const message = this.#lengths.push(this.#length) - 1;
    this.#length = 0;
    return message;
  }

  /** The codes of all messages since the last call, 16 bytes each, in the order they were added. */
  macs(): Buffer {
    const count = this.#lengths.length;
    const codes = Buffer.allocUnsafeSlow(count * BLOCK).fill(0);
    const states = words(codes);
    const input = words(this.#bytes);
    const blocks = Buffer.allocUnsafeSlow(count * BLOCK);
    const output = words(blocks);
    // Messages still in the chain; each round takes the next block of every one of them.
    let active = new Uint32Array(count).map((_, i) => i);
    let next = new Uint32Array(count);
    for (let round = 0, left = count; left > 0; round++) {
      let goOn = 0;
      for (let slot = 0, to = 0; slot < left; slot++, to += WORDS) {
        const message = active[slot];
        const from = this.#starts[message] + round * BLOCK;
        const at = from / 4;
        const state = message * WORDS;
        output[to] = states[state] ^ input[at];
        output[to + 1] = states[state + 1] ^ input[at + 1];
        output[to + 2] = states[state + 2] ^ input[at + 2];
        output[to + 3] = states[state + 3] ^ input[at + 3];
        if (from + BLOCK < this.#starts[message + 1]) next[goOn++] = message;
        else {
          const isWhole = this.#lengths[message] > 0 && this.#lengths[message] % BLOCK === 0;
          const mask = isWhole ? this.#whole : this.#padded;
          for (let w = 0; w < WORDS; w++) output[to + w] ^= mask[w];
        }
      }
      const result = words(this.#encipher(blocks.subarray(0, left * BLOCK)));
      for (let slot = 0, from = 0; slot < left; slot++, from += WORDS) {
        const state = active[slot] * WORDS;
        states[state] = result[from];
        states[state + 1] = result[from + 1];
        states[state + 2] = result[from + 2];
        states[state + 3] = result[from + 3];
      }
      [active, next] = [next, active];
      left = goOn;
    }
    this.#bytes.fill(0, 0, this.#used); // card numbers do not linger
    this.#used = 0;
    this.#starts = [0];
    this.#lengths = [];
    return codes;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, roundUp(this.#used + length)));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes.fill(0);
    this.#bytes = larger;
  }

  #encipher(blocks: Uint8Array): Buffer {
    const cipher = createCipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false);
    return cipher.update(blocks);
  }
}

const roundUp = (length: number): number => Math.ceil(length / BLOCK) * BLOCK;

/** The same bytes as 32-bit words; what is not aligned is copied first. */
function words(bytes: Buffer): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(Uint8Array.from(bytes).buffer);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
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
