import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { unpack } from '../queue/chunk-payload.ts';
import { CARDS_PHASE, LINKS_PHASE } from '../queue/chunk-queue.ts';
import { ChunkSpool } from './chunk-spool.ts';

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'chunk-spool-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

interface Line {
  readonly line: number;
  readonly text: string;
}

async function* inPieces(text: string, bytes: number): AsyncGenerator<Buffer> {
  const all = Buffer.from(text);
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}

/** What passes through a spool, and the lines that it keeps, chunk by chunk. */
async function keep(folder: string, text: string, { chunkLines = 3, bytes = 7 } = {}) {
  using spool = new ChunkSpool({ directory: folder, chunkLines });
  const passed: Buffer[] = [];
  for await (const piece of spool.keeping(inPieces(text, bytes))) passed.push(Buffer.from(piece));
  const of = (phase: number) =>
    [...spool.chunks(phase)].map((chunk) => ({ ...chunk, lines: linesOf(chunk) }));
  assert.deepEqual(readdirSync(folder), [], 'what is on disk has no name');
  return {
    passed: Buffer.concat(passed).toString(),
    cards: of(CARDS_PHASE),
    links: of(LINKS_PHASE),
    all: [...spool.chunks()].length,
  };
}

function linesOf({ packed, lines }: { packed: Buffer; lines: number }): Line[] {
  const { count, numbers, starts, ends, bytes } = unpack(packed);
  assert.equal(count, lines);
  return Array.from(numbers, (line, i) => ({ line, text: bytes.toString('latin1', starts[i], ends[i]) }));
}

test('cards and what hangs on them lie in chunks of their own, each in file order, without the header', async (t) => {
  const lines = ['H,1', 'C,a', 'O,a', 'C,b', '"W",a', '"C",c', 'C,d', 'what is this?', 'T,1'];
  const { passed, cards, links, all } = await keep(newFolder(t), `${lines.join('\r\n')}\n`);
  assert.equal(passed, `${lines.join('\r\n')}\n`);
  const numbers = (chunks: { lines: Line[] }[]) => chunks.map((each) => each.lines.map(({ line }) => line));
  assert.deepEqual(numbers(cards), [
    [2, 4, 6],
    [7, 8, 9],
  ]);
  assert.deepEqual(numbers(links), [[3, 5]]);
  assert.equal(all, 3);
  for (const { firstLine, lastLine, lines: kept } of [...cards, ...links]) {
    assert.deepEqual([firstLine, lastLine], [kept[0].line, kept.at(-1)!.line]);
    for (const { line, text } of kept) assert.equal(text, lines[line - 1]);
  }
});

test('every line but the first is kept once, however it comes; the chunks depend on the file alone', async (t) => {
  const folder = newFolder(t);
  const line = fc.oneof(fc.constantFrom('C,1', 'O,2', 'W,3', 'T', ''), fc.string({ unit: 'grapheme-ascii' }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        line.map((text) => text.replaceAll(/[\r\n]/g, ' ')),
        { maxLength: 60 },
      ),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 100 }),
      async (lines, chunkLines, bytes) => {
        const text = lines.map((each) => `${each}\n`).join('');
        const { passed, cards, links } = await keep(folder, text, { chunkLines, bytes });
        assert.equal(passed, text);
        const kept = [...cards, ...links].flatMap((chunk) => chunk.lines).sort((a, b) => a.line - b.line);
        assert.deepEqual(kept, lines.map((each, i) => ({ line: i + 1, text: each })).slice(1));
        for (const chunks of [cards, links])
          assert.ok(chunks.slice(0, -1).every((chunk) => chunk.lines.length === chunkLines));
        const again = await keep(folder, text, { chunkLines, bytes: 1000 });
        assert.deepEqual([again.cards, again.links], [cards, links]);
      },
    ),
    { numRuns: 100 },
  );
});

test('an empty file keeps nothing', async (t) => {
  assert.deepEqual((await keep(newFolder(t), '')).all, 0);
});
