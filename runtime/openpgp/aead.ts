import { createCipheriv, createDecipheriv, timingSafeEqual, type Cipheriv } from 'node:crypto';

import { altered } from './refusal.ts';

export const TAG_BYTES = 16;
const BLOCK = 16;

export interface AeadMode {
  readonly name: 'EAX' | 'OCB' | 'GCM';
  readonly nonceBytes: number;
}

/** By their number in OpenPGP (RFC 9580, 9.6). */
export const aeadModes: ReadonlyMap<number, AeadMode> = new Map([
  [1, { name: 'EAX', nonceBytes: 16 }],
  [2, { name: 'OCB', nonceBytes: 15 }],
  [3, { name: 'GCM', nonceBytes: 12 }],
]);

/** One sealed chunk being opened: `update` with all of its ciphertext, then `finish` with its tag. */
export interface ChunkOpener {
  update(ciphertext: Uint8Array): Buffer;
  /** What is left of the plaintext. Throws when the tag does not fit. */
  finish(tag: Uint8Array): Buffer;
}

export interface ChunkKey {
  readonly mode: AeadMode;
  /** `aes-128`, `aes-192` or `aes-256`. */
  readonly nodeName: string;
  readonly key: Uint8Array;
}

export function openChunk(chunkKey: ChunkKey, nonce: Uint8Array, associated: Uint8Array): ChunkOpener {
  const { mode, nodeName, key } = chunkKey;
  switch (mode.name) {
    case 'EAX':
      return new EaxOpener(nodeName, key, nonce, associated);
    case 'OCB':
    case 'GCM': {
      const cipherName = `${nodeName}-${mode.name.toLowerCase()}` as 'aes-256-ocb';
      const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(associated);
      return {
        update: (ciphertext) => decipher.update(ciphertext),
        finish(tag) {
          decipher.setAuthTag(tag);
          try {
            return decipher.final();
          } catch {
            throw tagMismatch();
          }
        },
      };
    }
  }
}

function tagMismatch(): Error {
  return altered('The integrity check (AEAD) fails.');
}

/** EAX (Bellare, Rogaway and Wagner, 2003), which OpenSSL does not have, from its parts: CTR and CMAC. */
class EaxOpener implements ChunkOpener {
  readonly #ctr: Cipheriv;
  readonly #mac: Cmac;
  readonly #tag: Buffer;

  constructor(nodeName: string, key: Uint8Array, nonce: Uint8Array, associated: Uint8Array) {
    const nonceMac = new Cmac(nodeName, key, 0).update(nonce).digest();
    this.#tag = xor(nonceMac, new Cmac(nodeName, key, 1).update(associated).digest());
    this.#mac = new Cmac(nodeName, key, 2);
    this.#ctr = createCipheriv(`${nodeName}-ctr`, key, nonceMac);
  }

  update(ciphertext: Uint8Array): Buffer {
    this.#mac.update(ciphertext);
    return this.#ctr.update(ciphertext);
  }

  finish(tag: Uint8Array): Buffer {
    if (!timingSafeEqual(xor(this.#tag, this.#mac.digest()), tag)) throw tagMismatch();
    return Buffer.alloc(0);
  }
}

/** CMAC over one long message, after a block that holds only `domain` (EAX's way to keep its three MACs apart). */
class Cmac {
  readonly #cbc: Cipheriv;
  readonly #mask: Buffer; // K1
  /** The last block so far, whole or not: it is masked before it is enciphered. */
  #last = Buffer.alloc(BLOCK);
  #used = BLOCK;

  constructor(nodeName: string, key: Uint8Array, domain: number) {
    const zero = createCipheriv(`${nodeName}-ecb`, key, null).update(Buffer.alloc(BLOCK));
    this.#mask = doubled(zero);
    this.#cbc = createCipheriv(`${nodeName}-cbc`, key, Buffer.alloc(BLOCK));
    this.#last[BLOCK - 1] = domain;
  }

  update(bytes: Uint8Array): this {
    const topUp = Math.min(BLOCK - this.#used, bytes.length);
    this.#last.set(bytes.subarray(0, topUp), this.#used);
    this.#used += topUp;
    let at = topUp;
    if (at === bytes.length) return this;
    this.#cbc.update(this.#last);
    const whole = (Math.ceil((bytes.length - at) / BLOCK) - 1) * BLOCK; // at least one byte stays behind
    if (whole > 0) this.#cbc.update(bytes.subarray(at, at + whole));
    at += whole;
    this.#last = Buffer.alloc(BLOCK);
    this.#last.set(bytes.subarray(at));
    this.#used = bytes.length - at;
    return this;
  }

  digest(): Buffer {
    if (this.#used === BLOCK) return this.#cbc.update(xor(this.#last, this.#mask));
    this.#last[this.#used] = 0x80;
    return this.#cbc.update(xor(this.#last, doubled(this.#mask)));
  }
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]));
}

/** Doubling in GF(2^128), as RFC 4493 derives its two masks. */
function doubled(block: Buffer): Buffer {
  const result = Buffer.alloc(BLOCK);
  let carry = 0;
  for (let i = BLOCK - 1; i >= 0; i--) {
    result[i] = ((block[i] << 1) | carry) & 0xff;
    carry = block[i] >> 7;
  }
  if (carry) result[BLOCK - 1] ^= 0x87;
  return result;
}
