import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { BrokenFraming, FRAMINGS, FrameReader, writeFrames } from './framing.ts';

const frames = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  {
    maxLength: 12,
  },
);

for (const framing of FRAMINGS) {
  test(`${framing}: frames arrive whole, wherever the stream is cut`, () =>
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }), (sent, cuts) => {
        const stream = writeFrames(framing, sent);
        const reader = new FrameReader(framing, 1000);
        const got: Buffer[] = [];
        let at = 0;
        for (const length of [...cuts, stream.length]) {
          got.push(...reader.read(stream.subarray(at, at + length)));
          at = Math.min(stream.length, at + length);
        }
        assert.deepEqual(got, sent);
        assert.equal(reader.partialBytes, 0);
      }),
      runs(300),
    ));

  test(`${framing}: a frame has memory of its own`, () => {
    const stream = writeFrames(framing, [Buffer.from('first')]);
    const [frame] = new FrameReader(framing, 100).read(stream);
    stream.fill(0);
    assert.equal(frame.toString(), 'first');
  });

  test(`${framing}: good frames come through before one that is too long breaks the stream`, () => {
    const reader = new FrameReader(framing, 10);
    const got: Buffer[] = [];
    assert.throws(() => {
      for (const frame of reader.read(writeFrames(framing, [Buffer.from('good'), Buffer.alloc(11)])))
        got.push(frame);
    }, BrokenFraming);
    assert.deepEqual(got.map(String), ['good']);
  });

  test(`${framing}: a frame of no length is passed over`, () => {
    const stream = writeFrames(framing, [Buffer.alloc(0), Buffer.from('one'), Buffer.alloc(0)]);
    assert.deepEqual([...new FrameReader(framing, 100).read(stream)].map(String), ['one']);
  });
}

test('four digits are wanted where the framing is ascii', () => {
  assert.throws(() => [...new FrameReader('ascii', 100).read(Buffer.from('12x4....'))], BrokenFraming);
});

test('digits where two bytes are wanted are recognised', () => {
  const stream = writeFrames('ascii', [Buffer.from('0800')]);
  assert.throws(() => [...new FrameReader('binary', 4096).read(stream)], /12336 bytes .* ASCII digits/);
});

test('a frame that its framing cannot announce is not written', () => {
  assert.throws(() => writeFrames('ascii', [Buffer.alloc(10_000)]), RangeError);
  assert.throws(() => writeFrames('binary', [Buffer.alloc(65_536)]), RangeError);
});
