import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int4, text } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import { openDatabase } from '#runtime/database/database.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** One connection: what a COPY leaves behind on it, the next statement meets. */
const { server } = await testServer();
const db = openDatabase(server.adminUrl, { connections: 1, applicationName: 'relevo test' });
await db.run`create temporary table copied (line int4 primary key, word text)`;
atEnd(() => db.close());

function columns(lines: readonly number[], word = 'a') {
  const batch = new Batch({ line: int4, word: text });
  for (const line of lines) {
    batch.columns.line.int4(line);
    batch.columns.word.string(word);
  }
  return batch.columns;
}
const copied = async () =>
  (await db.rows<{ line: number }>`select line from copied order by line`).map(({ line }) => line);
const code = (wanted: string) => (error: { code?: string }) => error.code === wanted;

test('all rows are new or none is written, and the connection serves on', async () => {
  assert.equal(await db.transaction((tx) => tx.copy('copied', columns([1, 2]))), 2);
  await assert.rejects(
    db.transaction((tx) => tx.copy('copied', columns([3, 2, 4]))),
    code('23505'),
  );
  assert.deepEqual(await copied(), [1, 2]);
});

test('what PostgreSQL refuses before it reads a row does no harm, however much follows', async () => {
  const many = columns(
    Array.from({ length: 3000 }, (_, i) => i),
    'word '.repeat(100),
  );
  await assert.rejects(
    db.transaction((tx) => tx.copy('nowhere', many)),
    code('42P01'),
  );
  assert.deepEqual(await copied(), [1, 2]);
});

test('statements may follow without waiting for it', async () => {
  const found = await db.transaction(async (tx) => {
    const [rows, after] = await Promise.all([
      tx.copy('copied', columns([5, 6])),
      tx.rows<{ count: number }>`select count(*)::int4 as count from copied`,
    ]);
    return [rows, after[0].count];
  });
  assert.deepEqual(found, [2, 4]);
});

test('half a row is never sent', async () => {
  const { line, word } = columns([8, 9]);
  word.string('one more');
  await assert.rejects(
    db.transaction((tx) => tx.copy('copied', { line, word })),
    /one column holds 3 values, another 2/,
  );
  assert.deepEqual(await copied(), [1, 2, 5, 6]);
});
