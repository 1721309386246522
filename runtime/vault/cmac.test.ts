import { createSecretKey, randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchCmac } from './cmac.ts';

const key = createSecretKey(
  Buffer.from('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4', 'hex'),
);
const text = Buffer.from(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  'hex',
);

test('AES-256-CMAC gives the example values of NIST SP 800-38B', () => {
  const examples: [bytes: number, mac: string][] = [
    [0, '028962f61b7bf89efc6b551f4667d983'],
    [16, '28a7023f452e8f82bd4bf28d8c37c35c'],
    [20, '156727dc0878944a023c1fe03bad6d93'],
    [40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
    [64, 'e1992190549f6ed5696a2c056c315410'],
  ];
  const batch = new BatchCmac(key);
  for (const [bytes] of examples) batch.add(text, 0, bytes);
  const macs = batch.macs();
  examples.forEach(([bytes, mac], i) => {
    assert.equal(macs.subarray(i * 16, i * 16 + 16).toString('hex'), mac, `${bytes} bytes`);
  });
});

test('a message has the same code alone and among others', () => {
  const one = new BatchCmac(createSecretKey(randomBytes(32)));
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { minLength: 1, maxLength: 30 }), (messages) => {
      for (const message of messages) one.add(message);
      const together = one.macs();
      messages.forEach((message, i) => {
        one.add(message);
        assert.deepEqual(one.macs(), together.subarray(i * 16, i * 16 + 16));
      });
    }),
  );
});
