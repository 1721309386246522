import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { rotateKeys } from '#delivery/cells/rotate-keys.ts';
import type { Database } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { START } from './chain.ts';
import { serveAudit } from './main.ts';
import type { BreakKind, Head, NewEntry } from './service.ts';

/** The trail in a real database: written by several at once, and tampered with by somebody who may do anything there. */
const entry = (subject: string, more: Partial<NewEntry> = {}): NewEntry => ({
  actor: 'ana.quispe',
  action: 'range.set',
  subject,
  ...more,
});
const subjects = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(`s${from + i}`));

const trailOf = async (cell: TestCell) => ({
  writer: await openAudit(cell.opened, 'authorisations'),
  reader: await openAudit(cell.opened, 'operators'),
});

test('entries are numbered without a gap, whoever writes at once', async (t) => {
  const cell = await testCell(t);
  const { reader } = await trailOf(cell);
  assert.deepEqual(await reader.readHead(), START);
  const writers = Array.from({ length: 4 }, () =>
    cell.opened.calls.client(serveAudit(cell.opened.connect('audit', 2), cell.vault), 'authorisations'),
  );
  const heads = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      writers[i % 4].appendEntries(
        Array.from({ length: (i % 3) + 1 }, (_, j) => entry(`${i}`, { details: { j } })),
      ),
    ),
  );
  const written = Array.from({ length: 40 }, (_, i) => (i % 3) + 1).reduce((sum, each) => sum + each, 0);
  const report = await reader.verifyTrail({ anchors: heads });
  assert.deepEqual(report.breaks, []);
  assert.equal(report.entries, written);
  assert.deepEqual(report.head, await reader.readHead());
  // What was sent together stands together, in its order.
  const all = await reader.readEntries({ order: 'oldest_first', beyond: null, limit: 1_000, action: null });
  all.forEach(({ subject, details }, at) => {
    const { j } = JSON.parse(details) as { j: number };
    if (j > 0) assert.deepEqual([all[at - 1].subject, all[at - 1].details], [subject, `{"j":${j - 1}}`]);
  });
  for (let at = 1; at < all.length; at++) assert.ok(all[at].at >= all[at - 1].at);
});

test('pages go both ways, of all actions, one, or a group', async (t) => {
  const cell = await testCell(t);
  const { writer, reader } = await trailOf(cell);
  await writer.appendEntries(subjects(1, 5));
  await writer.appendEntries([
    entry('s6', { action: 'range.flipped' }),
    entry('s7', { action: 'ranges.other' }),
    entry('s8', { action: 'keys.rotated', details: { b: 'ü', a: 1 } }),
  ]);
  const page = async (order: 'oldest_first' | 'newest_first', beyond: bigint | null, action: string | null) =>
    (await reader.readEntries({ order, beyond, limit: 3, action })).map(({ subject }) => subject).join(' ');
  assert.equal(await page('oldest_first', null, null), 's1 s2 s3');
  assert.equal(await page('oldest_first', 6n, null), 's7 s8');
  assert.equal(await page('newest_first', null, null), 's8 s7 s6');
  assert.equal(await page('newest_first', 2n, null), 's1');
  assert.equal(await page('newest_first', null, 'range'), 's6 s5 s4');
  assert.equal(await page('newest_first', null, 'range.flipped'), 's6');
  assert.equal(await page('oldest_first', null, 'rang'), '');
  const [last] = await reader.readEntries({ order: 'newest_first', beyond: null, limit: 1, action: null });
  assert.deepEqual([last.details, last.actor], ['{"a":1,"b":"ü"}', 'ana.quispe']);
});

test('what has a name is written once', async (t) => {
  const cell = await testCell(t);
  const { writer } = await trailOf(cell);
  const named = (name: string) => entry(name, { once: name });
  await Promise.all(
    Array.from({ length: 8 }, () => writer.appendEntries([named('a'), named('b'), named('a')])),
  );
  const head = await writer.appendEntries([named('b'), entry('c')]);
  assert.equal(head.seq, 3n);
  assert.deepEqual(await writer.appendEntries([named('a')]), head);
  assert.deepEqual(await writer.appendEntries([]), head);
});

test('an entry that breaks a rule is refused, and what came with it', async (t) => {
  const cell = await testCell(t);
  const { writer, reader } = await trailOf(cell);
  const pan = '4509170000000009';
  const cases: [code: string, entry: NewEntry][] = [
    ['bad_entry', entry('s', { action: 'rotate' })],
    ['bad_entry', entry('s', { action: 'Keys.rotated' })],
    ['bad_entry', entry('')],
    ['bad_entry', entry('two\nlines')],
    ['bad_entry', entry('s', { actor: 'a'.repeat(101) })],
    ['bad_entry', entry('s', { actor: 'half \ud800' })],
    ['bad_entry', entry('s', { details: { Upper: 1 } })],
    ['bad_entry', entry('s', { details: { nothing: NaN } })],
    ['bad_entry', entry('s', { details: { nested: { deep: 1 } as never } })],
    ['bad_entry', entry('s', { details: { long: 'x'.repeat(5_000) } })],
    ['bad_entry', entry('s', { once: '' })],
    ['card_data_in_entry', entry(`card ${pan}`)],
    ['card_data_in_entry', entry('s', { actor: pan })],
    ['card_data_in_entry', entry('s', { once: pan })],
    ['card_data_in_entry', entry('s', { details: { card: '4509 1700 0000 0009' } })],
    ['card_data_in_entry', entry('s', { details: { card: Number(pan) } })],
    ['card_data_in_entry', entry('s', { details: { [`c${pan}`]: 1 } })],
  ];
  for (const [code, each] of cases)
    await assert.rejects(writer.appendEntries([entry('fine'), each]), (error) => {
      assert.ok(error instanceof Refusal);
      assert.equal(error.code, code);
      assert.doesNotMatch(`${error.message} ${error.advice}`, /4509|xxxx|lines\n/);
      return true;
    });
  assert.deepEqual(await reader.readHead(), START);
  await writer.appendEntries([entry('s', { details: { range: '45091700', card: '450917******0009' } })]);
});

test('the role of the service adds entries and can do nothing else to them; nor can the owner of the table', async (t) => {
  const cell = await testCell(t);
  const { writer } = await trailOf(cell);
  await writer.appendEntries(subjects(1, 3));
  const own = cell.opened.connect('audit', 1);
  const attempts = (db: Database) => [
    db.run`update audit.entries set actor = 'me' where seq = 1`,
    db.run`delete from audit.entries where seq = 3`,
    db.run`truncate audit.entries`,
    db.transaction(async (tx) => {
      await tx.run`set local session_replication_role = replica`;
      await tx.run`delete from audit.entries`;
    }),
    db.run`insert into audit.entries select * from audit.entries where seq = 1
             on conflict (seq) do update set actor = 'me'`,
  ];
  for (const db of [own, cell.admin])
    for (const attempt of await Promise.allSettled(attempts(db))) {
      assert.equal(attempt.status, 'rejected');
      assert.equal((attempt.reason as { code: string }).code, '42501');
    }
  await assert.rejects(own.run`alter table audit.entries disable trigger append_only`, { code: '42501' });
  await assert.rejects(own.run`drop trigger append_only on audit.entries`, { code: '42501' });
  await assert.rejects(own.rows`select from cell.data_keys`, { code: '42501' });
  const [{ entries }] = await own.rows<{ entries: bigint }>`select count(*) as entries from audit.entries`;
  assert.equal(entries, 3n);
});

/** What a superuser may do once the trigger is out of the way. */
const tamperings: [
  name: string,
  tamper: (db: Database) => Promise<unknown>,
  breaks: `${number} ${BreakKind}`[],
][] = [
  [
    'a changed detail',
    (db) => db.run`update audit.entries set details = '{"n":2}' where seq = 3`,
    ['3 altered'],
  ],
  [
    'a time moved by a microsecond',
    (db) => db.run`update audit.entries set at = at + interval '1 microsecond' where seq = 3`,
    ['3 altered'],
  ],
  ['a removed row', (db) => db.run`delete from audit.entries where seq = 3`, ['3 missing']],
  ['a removed beginning', (db) => db.run`delete from audit.entries where seq < 4`, ['1 missing']],
  [
    'two swapped rows',
    async (db) => {
      await db.run`update audit.entries set seq = 1000 where seq = 3`;
      await db.run`update audit.entries set seq = 3 where seq = 4`;
      await db.run`update audit.entries set seq = 4 where seq = 1000`;
    },
    ['3 unlinked', '3 altered', '4 unlinked', '4 altered', '5 unlinked'],
  ],
  [
    'a row inserted before another',
    async (db) => {
      await db.run`update audit.entries set seq = seq + 1000 where seq > 3`;
      await db.run`update audit.entries set seq = seq - 999 where seq > 1000`;
      await db.run`insert into audit.entries select 4, at, 'me', action, subject, details, once, hash, previous_hash
                     from audit.entries where seq = 3`;
    },
    ['4 altered', '5 unlinked', '5 altered', '5 anchor_differs', '6 altered'],
  ],
  [
    'a row of the same number, where no index forbids it',
    async (db) => {
      await db.run`alter table audit.entries drop constraint entries_pkey`;
      await db.run`insert into audit.entries select * from audit.entries where seq = 3`;
    },
    ['3 misnumbered'],
  ],
  [
    'a row appended without the key',
    (db) => db.run`
      insert into audit.entries
      select seq + 1, at, actor, action, subject, details, once, hash, sha256(hash) from audit.entries where seq = 5`,
    ['6 altered'],
  ],
  [
    'a chain computed anew without the key',
    async (db) => {
      await db.run`update audit.entries set details = '{"n":7}' where seq = 4`;
      await db.run`update audit.entries set hash = sha256(convert_to(seq || details, 'UTF8')) where seq >= 4`;
      await db.run`update audit.entries e set previous_hash = b.hash from audit.entries b
                    where b.seq = e.seq - 1 and e.seq > 4`;
    },
    ['4 altered', '5 altered', '5 anchor_differs'],
  ],
  ['a truncated end', (db) => db.run`delete from audit.entries where seq > 3`, ['4 truncated']],
  ['an emptied trail', (db) => db.run`delete from audit.entries`, ['1 truncated']],
];

for (const [name, tamper, breaks] of tamperings)
  test(`verify finds ${name}, and says where`, async (t) => {
    const cell = await testCell(t);
    const { writer, reader } = await trailOf(cell);
    const anchor = await writer.appendEntries(subjects(1, 5));
    assert.deepEqual((await reader.verifyTrail({ anchors: [anchor] })).breaks, []);
    await cell.admin.run`alter table audit.entries disable trigger append_only`;
    await tamper(cell.admin);
    const found = async (anchors: Head[]) =>
      (await reader.verifyTrail({ anchors })).breaks.map(({ seq, kind }) => `${seq} ${kind}`);
    assert.deepEqual(await found([anchor]), breaks);
    const needsAnchor = breaks[0].endsWith('truncated');
    assert.equal((await found([])).length === 0, needsAnchor, 'without an anchor');
  });

test('a trail of many pages is read to its end, and goes on after the keys were rotated', async (t) => {
  const cell = await testCell(t);
  const { writer, reader } = await trailOf(cell);
  await writer.appendEntries(subjects(1, 3_000));
  await rotateKeys(cell.opened);
  await writer.appendEntries(subjects(3_001, 3_001));
  const report = await reader.verifyTrail({ anchors: [] });
  assert.deepEqual([report.entries, report.breaksTotal], [3_001, 0]);
  await cell.admin.run`alter table audit.entries disable trigger append_only`;
  await cell.admin.run`delete from audit.entries where seq in (1000, 1001, 2500)`;
  const { breaks } = await reader.verifyTrail({ anchors: [] });
  assert.deepEqual(
    breaks.map(({ text }) => text),
    ['entries 1000 to 1001 are missing', 'entry 2500 is missing'],
  );
});
