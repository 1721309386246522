import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bool, bytes, date, int2, int4, int8, text, timestamp, uuid } from '#declare/columns.ts';
import { openDatabase } from '#runtime/database/database.ts';
import { idText } from '#runtime/vault/derived-ids.ts';
import { runs } from '#tools/testing/seed.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { Batch } from './batch.ts';
import { same } from './tuples.ts';

/** What is written into a batch is what PostgreSQL reads, for every type, null among them. */
const { server } = await testServer();
const db = openDatabase(server.adminUrl, { connections: 1, applicationName: 'relevo test' });
atEnd(() => db.close());

const row = {
  line: int4,
  uuid: uuid.orNull,
  bytes: bytes.orNull,
  text: text.orNull,
  bool: bool.orNull,
  int2: int2.orNull,
  int4: int4.orNull,
  int8: int8.orNull,
  date: date.orNull,
  timestamp: timestamp.orNull,
} as const;

const SAFE = Number.MAX_SAFE_INTEGER;
const firstDay = Date.UTC(2000, 0, 1) / 86_400_000 - 730_119; // 0001-01-01
const lastDay = Math.floor(Date.UTC(9999, 11, 31) / 86_400_000);
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const withEdges = (min: number, max: number) =>
  fc.oneof(fc.constantFrom(min, max, 0 >= min && 0 <= max ? 0 : min), fc.integer({ min, max }));

const values = fc.record({
  uuid: orNull(fc.uint8Array({ minLength: 16, maxLength: 16 })),
  bytes: orNull(fc.uint8Array({ maxLength: 200 })),
  text: orNull(fc.string({ unit: 'binary', maxLength: 80 }).map((each) => each.replaceAll('\0', ''))),
  bool: orNull(fc.boolean()),
  int2: orNull(withEdges(-(2 ** 15), 2 ** 15 - 1)),
  int4: orNull(withEdges(-(2 ** 31), 2 ** 31 - 1)),
  int8: orNull(fc.oneof(fc.constantFrom(-SAFE, SAFE, 0, -1, 2 ** 32, -(2 ** 32)), fc.maxSafeInteger())),
  date: orNull(withEdges(firstDay, lastDay)),
  timestamp: orNull(
    fc.oneof(
      fc.constantFrom(firstDay * 86_400_000, lastDay * 86_400_000, 0, -1000),
      fc.integer({ min: firstDay * 86_400, max: lastDay * 86_400 }).map((second) => second * 1000),
    ),
  ),
});
type Values = typeof values extends fc.Arbitrary<infer T> ? T : never;

function batchOf(rows: readonly Values[]): Batch<typeof row> {
  const batch = new Batch(row);
  const to = batch.columns;
  rows.forEach((each, i) => {
    to.line.int4(i);
    to.uuid.uuidOrNull(each.uuid && idText(Buffer.from(each.uuid), 0));
    if (each.bytes === null) to.bytes.null();
    else to.bytes.slice(each.bytes);
    if (each.text === null) to.text.null();
    else to.text.string(each.text);
    if (each.bool === null) to.bool.null();
    else to.bool.bool(each.bool);
    if (each.int2 === null) to.int2.null();
    else to.int2.int2(each.int2);
    if (each.int4 === null) to.int4.null();
    else to.int4.int4(each.int4);
    if (each.int8 === null) to.int8.null();
    else to.int8.int8(each.int8);
    if (each.date === null) to.date.null();
    else to.date.date(each.date);
    if (each.timestamp === null) to.timestamp.null();
    else to.timestamp.timestamp(each.timestamp);
  });
  return batch;
}

/** As PostgreSQL prints them, drawn from the values without the batch's own arithmetic. */
const printed = (rows: readonly Values[]) =>
  rows.map((each, line) => ({
    line,
    uuid: each.uuid && Buffer.from(each.uuid).toString('hex'),
    bytes: each.bytes && Buffer.from(each.bytes).toString('hex'),
    text: each.text,
    bool: each.bool,
    int2: each.int2 === null ? null : String(each.int2),
    int4: each.int4 === null ? null : String(each.int4),
    int8: each.int8 === null ? null : String(each.int8),
    date:
      each.date === null
        ? null
        : new Date(each.date * 86_400_000).toISOString().slice(0, 10).replace(/^\+00/, ''),
    timestamp:
      each.timestamp === null
        ? null
        : new Date(each.timestamp).toISOString().slice(0, 19).replace(/^\+00/, ''),
  }));

const asRead = (batch: Batch<typeof row>) => db.rows`
  select line, replace(uuid::text, '-', '') as uuid, encode(bytes, 'hex') as bytes, text, bool, int2::text as int2,
         int4::text as int4, int8::text as int8, to_char(date, 'YYYY-MM-DD') as date,
         to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') as timestamp
    from ${batch.table('sent')} order by line`;

test('every type comes through, null, negative numbers and the years 1 to 9999 among them', () =>
  fc.assert(
    fc.asyncProperty(fc.array(values, { maxLength: 40 }), async (rows) => {
      assert.deepEqual(await asRead(batchOf(rows)), printed(rows));
    }),
    runs(60),
  ));

test('a batch serves again after it was cleared, and keeps no null flag', async () => {
  const one = {
    uuid: null,
    bytes: null,
    text: null,
    bool: null,
    int2: null,
    int4: null,
    int8: null,
    date: null,
    timestamp: null,
  };
  const batch = batchOf([one, one]);
  assert.equal(batch.rows, 2);
  batch.clear();
  assert.equal(batch.rows, 0);
  assert.deepEqual(await asRead(batch), []);
  batch.columns.line.int4(7);
  batch.columns.text.string('again');
  assert.throws(() => batch.table('sent'), /batch column/, 'half a row never reaches a statement');
});

test('a batch larger than its first buffers', async () => {
  const long = 'ñ'.repeat(500);
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    uuid: Buffer.alloc(16, i),
    bytes: Buffer.alloc(60, i),
    text: `${long}${i}`,
    bool: i % 2 === 0,
    int2: i,
    int4: -i,
    int8: -i * 2 ** 30,
    date: i * 10,
    timestamp: i * 1_000_000,
  }));
  assert.deepEqual(await asRead(batchOf(rows)), printed(rows));
});

test('columns are copied into a table as they are, beside values that are the same in every row', () =>
  fc.assert(
    fc.asyncProperty(fc.array(values, { maxLength: 40 }), async (rows) => {
      const { line, ...others } = batchOf(rows).columns;
      const found = await db.transaction(async (tx) => {
        await tx.run`
          create temporary table copied
            (uuid uuid, bytes bytea, text text, bool bool, int2 int2, int4 int4, int8 int8, date date, timestamp timestamptz,
             line_number int4, import_number int4, reason text, told_at timestamptz) on commit drop`;
        const copied = await tx.copy('copied', {
          importNumber: same.int4(7),
          ...others,
          lineNumber: line,
          reason: same.text('opening_balance'),
          toldAt: same.timestamp(new Date('2026-11-20T06:00:00Z')),
        });
        assert.equal(copied, rows.length);
        const other = await tx.rows`
          select count(*)::int4 as rows from copied
           where (import_number, reason, told_at) is distinct from (7, 'opening_balance', '2026-11-20T06:00:00Z')`;
        assert.deepEqual(other, [{ rows: 0 }]);
        return tx.rows`
          select line_number as line, replace(uuid::text, '-', '') as uuid, encode(bytes, 'hex') as bytes, text,
                 bool, int2::text as int2, int4::text as int4, int8::text as int8, to_char(date, 'YYYY-MM-DD') as date,
                 to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') as timestamp
            from copied order by line_number`;
      });
      assert.deepEqual(found, printed(rows));
    }),
    runs(30),
  ));

test('a column tells its values again', () =>
  fc.assert(
    fc.property(
      fc.array(fc.record({ text: fc.string({ unit: 'binary', maxLength: 8 }), minor: fc.maxSafeInteger() })),
      (rows) => {
        const { columns } = new Batch({ text, minor: int8, id: uuid });
        for (const each of rows) {
          columns.text.string(each.text);
          columns.minor.int8(each.minor);
          columns.id.slice(Buffer.alloc(16, each.minor));
        }
        assert.deepEqual(
          columns.text.texts(),
          rows.map((each) => each.text.toWellFormed()),
        );
        rows.forEach((each, i) => {
          assert.equal(columns.minor.int8At(i), each.minor);
          assert.deepEqual(columns.id.uuidAt(i), Buffer.alloc(16, each.minor));
        });
      },
    ),
    runs(200),
  ));

test('a column of one text alone is known', () => {
  const { columns } = new Batch({ text: text.orNull });
  assert.ok(columns.text.holdsOnly('upsert'), 'nothing else is in it');
  columns.text.string('upsert');
  columns.text.string('upsert');
  assert.ok(columns.text.holdsOnly('upsert'));
  assert.ok(!columns.text.holdsOnly('up'));
  columns.text.string('update');
  assert.ok(!columns.text.holdsOnly('upsert'), 'as long, but another one');
  columns.text.clear();
  columns.text.string('upsert');
  columns.text.null();
  assert.ok(!columns.text.holdsOnly('upsert'), 'null is no text');
});
