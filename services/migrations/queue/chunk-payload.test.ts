import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newKey } from '#runtime/vault/seal.ts';
import { Vault, wrapNewKey } from '#runtime/vault/vault.ts';
import { ChunkBuilder, type ChunkLines, type ChunkPlace, openPayload, sealPayload } from './chunk-payload.ts';

const kek = { version: 1, key: newKey() };
const vault = new Vault([kek], [wrapNewKey(kek, 'chunk', 1)]);
const place: ChunkPlace = { importNumber: 1, redrive: 0, phase: 1, lane: 0, firstLine: 2 };

const linesOf = ({ numbers, starts, ends, bytes }: ChunkLines) =>
  Array.from(numbers, (line, i) => ({ line, text: bytes.toString('hex', starts[i], ends[i]) }));

test('a payload opens to the lines that were packed, but for those that are worked elsewhere', () => {
  const line = fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), elsewhere: fc.boolean() });
  const builder = new ChunkBuilder(50);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 50 }), (lines) => {
      lines.forEach(({ bytes }, i) => builder.add(i + 7, Buffer.from(bytes), 0, bytes.length));
      const without = lines.flatMap(({ elsewhere }, i) => (elsewhere ? [i] : []));
      const opened = openPayload(vault, place, sealPayload(vault, place, builder.pack(), without));
      const expected = lines
        .map(({ bytes }, i) => ({ line: i + 7, text: Buffer.from(bytes).toString('hex') }))
        .filter((_, i) => !lines[i].elsewhere);
      assert.equal(opened.count, expected.length);
      assert.deepEqual(linesOf(opened), expected);
      assert.equal(builder.count, 0, 'a builder is empty when its lines are packed');
    }),
  );
});

test('a payload opens in its own place alone', () => {
  const builder = new ChunkBuilder(1);
  builder.add(2, Buffer.from('C,1'), 0, 3);
  const sealed = sealPayload(vault, place, builder.pack());
  for (const other of ['importNumber', 'redrive', 'phase', 'lane', 'firstLine'] as const)
    assert.throws(() => openPayload(vault, { ...place, [other]: 9 }, sealed), other);
});
