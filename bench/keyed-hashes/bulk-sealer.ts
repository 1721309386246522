import { createCipheriv, type KeyObject, randomFillSync } from 'node:crypto';
import { BatchCmac } from '#runtime/vault/cmac.ts';

const BLOCK = 16;
const NONCE_BYTES = 12;

export interface BulkSealed {
  /** One after the other, as long as the messages. */
  readonly text: Buffer;
  /** 12 bytes each. */
  readonly nonces: Buffer;
  /** 16 bytes each, over nonce, text and place. */
  readonly tags: Buffer;
}

/**
 * For comparison only: CTR mode over many messages at once (the counters of all of them through the cipher in
 * one call), then CMAC in bulk. It shows what the price of a cipher call for each field is.
 */
export class BulkSealer {
  readonly #cipherKey: KeyObject;
  readonly #cmac: BatchCmac;

  constructor(cipherKey: KeyObject, codeKey: KeyObject) {
    this.#cipherKey = cipherKey;
    this.#cmac = new BatchCmac(codeKey);
  }

  seal(messages: readonly Buffer[], place: Buffer): BulkSealed {
    const nonces = randomFillSync(Buffer.allocUnsafe(messages.length * NONCE_BYTES));
    const blocks = messages.reduce((sum, { length }) => sum + Math.ceil(length / BLOCK), 0);
    const counters = Buffer.alloc(blocks * BLOCK);
    let at = 0;
    for (let i = 0; i < messages.length; i++)
      for (let block = 0; block * BLOCK < messages[i].length; block++, at += BLOCK) {
        nonces.copy(counters, at, i * NONCE_BYTES, (i + 1) * NONCE_BYTES);
        counters.writeUInt32BE(block, at + NONCE_BYTES);
      }
    const stream = createCipheriv('aes-256-ecb', this.#cipherKey, null)
      .setAutoPadding(false)
      .update(counters);
    const text = Buffer.allocUnsafe(messages.reduce((sum, { length }) => sum + length, 0));
    let from = 0;
    let to = 0;
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i];
      for (let b = 0; b < message.length; b++) text[to + b] = message[b] ^ stream[from + b];
      this.#cmac.append(nonces, i * NONCE_BYTES, (i + 1) * NONCE_BYTES);
      this.#cmac.append(text, to, to + message.length);
      this.#cmac.append(place);
      this.#cmac.end();
      from += Math.ceil(message.length / BLOCK) * BLOCK;
      to += message.length;
    }
    return { text, nonces, tags: this.#cmac.macs() };
  }
}
