import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchSealer } from './batch-seal.ts';
import { Ghash } from './ghash.ts';
import { open, sealedVersion } from './seal.ts';

test('what is sealed in bulk opens as AES-256-GCM, at its place alone', () => {
  const key = createSecretKey(randomBytes(32));
  const sealer = new BatchSealer({ version: 7, key });
  const value = fc.record({
    plain: fc.uint8Array({ maxLength: 70 }),
    place: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 40 }), (values) => {
      for (const { plain, place } of values) sealer.add(plain, 0, plain.length, place, 0);
      const sealed: Buffer[] = [];
      sealer.seal((bytes, start, end) => sealed.push(Buffer.from(bytes.subarray(start, end))));
      assert.equal(sealed.length, values.length);
      values.forEach(({ plain, place }, i) => {
        assert.equal(sealedVersion(sealed[i]), 7);
        assert.deepEqual(open(key, sealed[i], place), Buffer.from(plain));
        const elsewhere = Buffer.from(place);
        elsewhere[3] ^= 1;
        assert.throws(() => open(key, sealed[i], elsewhere));
      });
    }),
  );
});

test('no nonce is used twice', () => {
  const sealer = new BatchSealer({ version: 1, key: createSecretKey(randomBytes(32)) });
  const nonces = new Set<string>();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 1000; i++) sealer.add(Buffer.from('4509170000000009'), 0, 16, Buffer.alloc(16), 0);
    sealer.seal((bytes) => nonces.add(bytes.toString('hex', 2, 14)));
  }
  assert.equal(nonces.size, 3000);
});

test('GHASH gives the intermediate value of test case 2 of the GCM specification', () => {
  const ghash = new Ghash(Buffer.from('66e94bd4ef8a2c3b884cfa59ca342b2e', 'hex'));
  ghash.begin();
  ghash.add(Buffer.from('0388dace60b6a392f328c2b971b2fe78', 'hex'), 0, 16);
  ghash.end(0, 16);
  const bytes = Buffer.from(Array.from({ length: 16 }, (_, i) => ghash.byte(i)));
  assert.equal(bytes.toString('hex'), 'f38cbb1ad69223dcc3457ae5b6b0f885');
});
