import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutLines, type CutOptions, type LineBatch } from './line-cutter.ts';
import { LINE_BYTES_MAX } from './split-line.ts';
import { inPieces } from './test-lines.ts';

async function batchesOf(bytes: Buffer, sizes: number[], options?: CutOptions): Promise<LineBatch[]> {
  const batches: LineBatch[] = [];
  for await (const batch of cutLines(inPieces(bytes, sizes), options)) batches.push(batch);
  return batches;
}

function contents(batches: LineBatch[]): string[] {
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, i) =>
      batch.bytes.toString('latin1', batch.starts[i], batch.ends[i]),
    ),
  );
}

async function linesOf(text: string, sizes = [1024]): Promise<string[]> {
  return contents(await batchesOf(Buffer.from(text, 'latin1'), sizes));
}

test('lines end in LF, in CRLF, and with the file', async () => {
  const cases: [text: string, lines: string[]][] = [
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\nb', ['a', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['\n', ['']],
    ['\r\n', ['']],
    ['\n\nb', ['', '', 'b']],
    ['a\n\n', ['a', '']],
    ['a\rb\n', ['a\rb']],
    ['a\r\r\n', ['a\r']],
    ['a\n\r', ['a', '\r']],
  ];
  for (const [text, lines] of cases) {
    for (const size of [1, 2, 1024])
      assert.deepEqual(await linesOf(text, [size]), lines, JSON.stringify(text));
  }
});

test('a batch ends after its number of lines or with the line that fills it', async () => {
  const text = 'aaaa\nbb\ncc\ndddddddddd\ne\nf\ng\n';
  const batches = await batchesOf(Buffer.from(text), [3], { chunkLines: 3, chunkBytes: 10 });
  assert.deepEqual(
    batches.map((batch) => [batch.index, batch.firstLine, batch.bytes.toString()]),
    [
      [0, 1, 'aaaa\nbb\ncc\n'],
      [1, 4, 'dddddddddd\n'],
      [2, 5, 'e\nf\ng\n'],
    ],
  );
  const exactly = await batchesOf(Buffer.from(text), [4], { chunkLines: 3, chunkBytes: 8 });
  assert.equal(exactly[0].bytes.toString(), 'aaaa\nbb\n');
  const byCount = await batchesOf(Buffer.from(text), [100], { chunkLines: 2 });
  assert.deepEqual(
    byCount.map((batch) => batch.count),
    [2, 2, 2, 1],
  );
});

test('an overlong line keeps its first bytes, one more than a line may have', async () => {
  const fits = 'x'.repeat(LINE_BYTES_MAX);
  for (const lineEnd of ['\n', '\r\n', '']) {
    for (const sizes of [[1000], [LINE_BYTES_MAX + 1, 1], [1_000_000]]) {
      const lengths = async (line: string) =>
        (await linesOf(`a\n${line}${lineEnd}`, sizes)).map((text) => text.length);
      assert.deepEqual(await lengths(fits), [1, LINE_BYTES_MAX]);
      assert.deepEqual(await lengths(`${fits}y`), [1, LINE_BYTES_MAX + 1]);
      assert.deepEqual(await lengths(`${fits}yz`), [1, LINE_BYTES_MAX + 1]);
      assert.deepEqual(await lengths(fits.repeat(5)), [1, LINE_BYTES_MAX + 1]);
    }
  }
  assert.deepEqual(await linesOf(`a\n${fits.repeat(3)}\r\nb\n\nc`, [777]), ['a', `${fits}x`, 'b', '', 'c']);
  // A chunk that ends between CR and LF must not make a difference.
  const justTooLong = Buffer.from(`${fits}x\r\n`);
  const [whole] = await batchesOf(justTooLong, [Infinity]);
  const [pieces] = await batchesOf(justTooLong, [justTooLong.length - 1, 1]);
  assert.deepEqual(pieces.bytes, whole.bytes);
  // A CR that the cut leaves in last place is content like any other.
  assert.equal((await linesOf(`${fits}\ryz\n`))[0], `${fits}\r`);
});

test('where batches end depends on the bytes alone, and so do their digests', async () => {
  const piece = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('a', 'bc', ',', '\n', '\r\n', '\r', 'ddddddd\n') },
    { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((n) => 'L'.repeat(LINE_BYTES_MAX + n)) },
  );
  const file = fc.array(piece, { maxLength: 60, size: 'max' }).map((pieces) => Buffer.from(pieces.join('')));
  const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });
  const options = fc.record({
    chunkLines: fc.integer({ min: 1, max: 5 }),
    chunkBytes: fc.integer({ min: 1, max: 50 }),
  });
  await fc.assert(
    fc.asyncProperty(file, sizes, options, async (bytes, pieceSizes, cut) => {
      const whole = await batchesOf(bytes, [Infinity], cut);
      const pieces = await batchesOf(bytes, pieceSizes, cut);
      const shape = (batch: LineBatch) => [
        batch.index,
        batch.firstLine,
        batch.count,
        batch.bytes.toString('latin1'),
      ];
      assert.deepEqual(pieces.map(shape), whole.map(shape));
      assert.deepEqual(contents(pieces), contents(whole));
      // Against the obvious way of doing it.
      const expected = bytes.toString('latin1').split('\n');
      const last = expected.pop();
      const lines = expected.map((line) => line.replace(/\r$/, ''));
      if (last) lines.push(last);
      assert.deepEqual(
        contents(whole).map((line) => line.slice(0, LINE_BYTES_MAX + 1)),
        lines.map((line) => line.slice(0, LINE_BYTES_MAX + 1)),
      );
    }),
    { numRuns: 300 },
  );
});

test('recycled memory holds each batch until the next one', async () => {
  const text = Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join('');
  const seen: string[] = [];
  const buffers = new Set<ArrayBufferLike>();
  for await (const batch of cutLines(inPieces(Buffer.from(text), [7]), { chunkLines: 4, recycle: true })) {
    buffers.add(batch.bytes.buffer);
    seen.push(batch.bytes.toString());
  }
  assert.equal(seen.join(''), text);
  assert.equal(buffers.size, 1);
});

test('no chunk is asked for while a batch waits to be taken', async () => {
  let asked = 0;
  async function* stream() {
    for (; asked < 100;) {
      asked++;
      yield Buffer.from('a\nb\n');
    }
  }
  const batches = cutLines(stream(), { chunkLines: 2 });
  await batches.next();
  await batches.next();
  assert.equal(asked, 2);
  await batches.return();
});
