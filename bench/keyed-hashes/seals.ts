import { createCipheriv, type KeyObject, randomBytes, randomFillSync } from 'node:crypto';
import { newKey, seal } from '#runtime/vault/seal.ts';
import { BulkSealer } from './bulk-sealer.ts';
import type { Contender } from './keyed-hashes.ts';

const BATCH = 4096;
/** Which field of which card: a letter and 16 bytes. */
const place = Buffer.alloc(17, 'n');

export function sealContenders(): Contender[] {
  const key = { version: 1, key: newKey() };
  const bulk = new BulkSealer(newKey(), newKey());
  return [
    {
      name: 'AES-256-GCM, field by field',
      note: 'as the vault seals',
      run(messages) {
        for (const message of messages) seal(key, message, place);
      },
    },
    {
      name: 'AES-256-GCM, nonces one by one',
      note: 'randomBytes for each field',
      run: (messages) => sealEach(messages, 'aes-256-gcm', key.key, () => randomBytes(12)),
    },
    {
      name: 'ChaCha20-Poly1305, field by field',
      run: (messages) => sealEach(messages, 'chacha20-poly1305', key.key, nextNonce),
    },
    {
      name: 'AES-256-CTR and CMAC in bulk',
      note: 'a construction of our own (encrypt, then code), which no auditor knows',
      run(messages) {
        for (let at = 0; at < messages.length; at += BATCH) bulk.seal(messages.slice(at, at + BATCH), place);
      },
    },
    {
      name: 'AES-256-GCM over a batch',
      note: `${BATCH} fields in one: none of them opens alone`,
      run(messages) {
        for (let at = 0; at < messages.length; at += BATCH)
          seal(key, Buffer.concat(messages.slice(at, at + BATCH)), place);
      },
    },
  ];
}

/** Drawn many at a time, as the vault does. */
const nonces = Buffer.alloc(12 * 1024);
let nonceAt = nonces.length;

function nextNonce(): Buffer {
  if (nonceAt === nonces.length) {
    randomFillSync(nonces);
    nonceAt = 0;
  }
  nonceAt += 12;
  return nonces.subarray(nonceAt - 12, nonceAt);
}

function sealEach(
  messages: readonly Buffer[],
  algorithm: 'aes-256-gcm' | 'chacha20-poly1305',
  key: KeyObject,
  nonce: () => Buffer,
): void {
  for (const message of messages) {
    // Both take the same arguments; the types of node know each algorithm apart.
    const cipher = createCipheriv(algorithm as 'aes-256-gcm', key, nonce());
    cipher.setAAD(place);
    cipher.update(message);
    cipher.final();
    cipher.getAuthTag();
  }
}
