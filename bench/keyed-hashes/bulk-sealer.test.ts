import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { test } from 'node:test';
import { newKey } from '#runtime/vault/seal.ts';
import { BulkSealer } from './bulk-sealer.ts';

test('what is sealed in bulk is plain AES-256-CTR, so the comparison is one of equals', () => {
  const key = newKey();
  const messages = ['4111111111111111', 'short', 'longer than one block of the cipher'].map((text) =>
    Buffer.from(text),
  );
  const { text, nonces, tags } = new BulkSealer(key, newKey()).seal(messages, Buffer.from('place'));
  assert.equal(tags.length, 3 * 16);
  let at = 0;
  messages.forEach((message, i) => {
    const counter = Buffer.concat([nonces.subarray(i * 12, (i + 1) * 12), Buffer.alloc(4)]);
    const opened = createDecipheriv('aes-256-ctr', key, counter).update(
      text.subarray(at, at + message.length),
    );
    assert.deepEqual(opened, message);
    at += message.length;
  });
});
