import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDatabase } from '#runtime/database/database.ts';
import type { Parameter } from '#runtime/database/sql.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** What statements and their values look like to PostgreSQL. One connection: what it was taught, it has to know. */
const { server } = await testServer();
const db = openDatabase(server.adminUrl, { connections: 1, applicationName: 'relevo test' });
await db.run`create temporary table notes (id int4 primary key, note text)`;
atEnd(() => db.close());

const hasCode = (code: string) => (error: unknown) => (error as { code: string }).code === code;

test('values arrive as they were given', async () => {
  const at = new Date('2026-02-28T23:59:59.987Z');
  const [row] = await db.rows`
    select ${'ñ ’ \\ " {}'}::text as text, ${-7}::int4 as int4, ${2n ** 62n}::int8 as int8, ${false}::bool as no,
           ${null}::text as none, ${at}::timestamptz as at, ${Buffer.from([0, 255])}::bytea as bytes,
           ${''}::text as empty`;
  assert.deepEqual(row, {
    text: 'ñ ’ \\ " {}',
    int4: -7,
    int8: 2n ** 62n,
    no: false,
    none: null,
    at,
    bytes: Buffer.from([0, 255]),
    empty: '',
  });
});

test('so do arrays, whatever their texts hold', async () => {
  const text = fc.string({ unit: 'binary' }).filter((each) => !each.includes('\0'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text)), async (given) => {
      const [{ taken }] = await db.rows<{ taken: (string | null)[] }>`select ${given}::text[] as taken`;
      assert.deepEqual(taken, given);
    }),
  );
  const [row] = await db.rows`
    select ${[1n, null, -3n]}::int8[] as minor, ${[]}::text[] as none, ${[
      [1, 2],
      [3, 4],
    ]}::int4[] as nested,
           ${[Buffer.from('\\"')]}::bytea[] as bytes`;
  assert.deepEqual(row, {
    minor: ['1', null, '-3'],
    none: [],
    nested: [
      [1, 2],
      [3, 4],
    ],
    bytes: [Buffer.from('\\"')],
  });
});

test('what is no value is refused before anything has left', async () => {
  for (const nothing of [undefined, [undefined], new Date(Number.NaN)])
    await assert.rejects(
      db.run`insert into notes values (${1}, ${nothing as unknown as Parameter})`,
      (error) => error instanceof TypeError || error instanceof RangeError,
    );
  await assert.rejects(
    db.pipeline((tx) => {
      tx.send`insert into notes values (1, '')`;
      return Promise.resolve(tx.send`insert into notes values (2, ${undefined as unknown as Parameter})`);
    }),
    TypeError,
  );
  assert.deepEqual(await db.rows`select * from notes`, []);
});

test('values of any length arrive whole, also in statements that leave together', async () => {
  const lengths = [0, 1, 65_530, 65_536, 3_000_000, 10];
  const seen = await db.pipeline((tx) =>
    Promise.all(
      lengths.map(async (length) => {
        const [row] = await tx.rows<{ text: string; bytes: number }>`
          select ${'é'.repeat(length)}::text as text, length(${Buffer.alloc(length)}::bytea) as bytes`;
        return [row.text === 'é'.repeat(length), row.bytes];
      }),
    ),
  );
  assert.deepEqual(
    seen,
    lengths.map((length) => [true, length]),
  );
});

test('a statement is known by its columns when it comes again, with and without rows', async () => {
  const noteOf = (id: number) => db.rows`select note, id from notes where id = ${id}`;
  assert.deepEqual(await noteOf(1), []);
  assert.equal(await db.run`insert into notes values (1, 'one'), (2, null)`, 2);
  assert.deepEqual(await noteOf(1), [{ note: 'one', id: 1 }]);
  assert.deepEqual(await noteOf(2), [{ note: null, id: 2 }]);
  const both = await db.pipeline((tx) =>
    Promise.all([1, 2].map((id) => tx.rows`select id, note as same from notes where id = ${id}`)),
  );
  assert.deepEqual(both, [[{ id: 1, same: 'one' }], [{ id: 2, same: null }]]);
});

test('one that PostgreSQL refused, or never came to, is prepared anew', async () => {
  const divide = (by: number) => db.rows`select 10 / ${by}::int4 as tenth`;
  await assert.rejects(divide(0), hasCode('22012'));
  assert.deepEqual(await divide(5), [{ tenth: 2 }]);
  const behind = (divisor: number) =>
    db.pipeline((tx) => {
      tx.send`select 1 / ${divisor}::int4`;
      return tx.rows`select 'passed over' as once`;
    });
  await assert.rejects(behind(0), hasCode('22012'));
  assert.deepEqual(await behind(1), [{ once: 'passed over' }]);
});

test('one whose table has changed fails once and is then known by its new columns', async () => {
  await db.run`create temporary table changing (id int4)`;
  const all = () => db.rows`select * from changing`;
  await db.run`insert into changing values (1)`;
  assert.deepEqual(await all(), [{ id: 1 }]);
  await db.run`alter table changing add note text default 'new'`;
  await assert.rejects(all(), hasCode('0A000'));
  assert.deepEqual(await all(), [{ id: 1, note: 'new' }]);
});
