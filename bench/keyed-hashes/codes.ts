import { createHmac, hash, randomBytes } from 'node:crypto';
import { BatchCmac } from '#runtime/vault/cmac.ts';
import { newKey } from '#runtime/vault/seal.ts';
import type { Contender } from './keyed-hashes.ts';

/** Messages coded by one call: as many as a chunk of the queue has lines. */
const BATCH = 4096;

export function codeContenders(): Contender[] {
  const cmac = new BatchCmac(newKey());
  const key = newKey();
  const prefix = randomBytes(32);
  return [
    {
      name: 'AES-256-CMAC in bulk',
      note: `${BATCH} messages a call`,
      run(messages) {
        for (let at = 0; at < messages.length; at += BATCH) {
          for (let i = at; i < Math.min(at + BATCH, messages.length); i++) cmac.add(messages[i]);
          cmac.macs();
        }
      },
    },
    {
      name: 'createHmac sha256',
      run(messages) {
        for (const message of messages) createHmac('sha256', key).update(message).digest();
      },
    },
    {
      name: 'crypto.hash sha256',
      note: 'of key and message: the least a hash by call costs, not a keyed hash to use',
      run(messages) {
        for (const message of messages) hash('sha256', Buffer.concat([prefix, message]), 'buffer');
      },
    },
  ];
}
