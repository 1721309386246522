import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '#runtime/batch/batch.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { serveLedger } from '#services/ledger/main.ts';
import { type MovementKind, movementRow } from '#services/ledger/service.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { bringIn, finish, migrate, workQueue } from '#tools/testing/migrate.ts';
import { readScript } from '#tools/testing/script.ts';
import { cancelMigration } from './cancel-migration.ts';
import { goodHold } from './portfolio/test-lines.ts';
import { startMigration } from './start-migration.ts';

/** A file speaks of the moment in its header, and messages go on while it is written, sent and loaded. */
const FULL_AT = '2026-11-20T06:00:00Z';
const DELTA_AT = '2026-11-21T06:00:00Z';

interface Told {
  readonly kind: MovementKind;
  readonly amountMinor: number;
  readonly at: string;
  readonly covered?: boolean;
}

let movements = 0;

/** What messages do to a card, whose hold is that of `goodHold`. Answers the verdict. */
async function move(cell: TestCell, card: string, { kind, amountMinor, at, covered = false }: Told) {
  const live = cell.opened.calls.client(serveLedger(cell.opened.connect('ledger', 1)), 'authorisations');
  const [{ cardId, accountId }] = await cell.admin.rows<{ cardId: string; accountId: string }>`
    select card_id as "cardId", account_id as "accountId" from cards.cards where external_card_id = ${card}`;
  const [cardBytes, accountBytes] = [cardId, accountId].map((id) => uuidBytes(id));
  const ids = cell.vault.idCoder();
  ids.liveHold(cardBytes, 0, Buffer.from(goodHold.rrn), Buffer.from(goodHold.approval_code));
  const rows = new Batch(movementRow);
  const to = rows.columns;
  to.line.int4(1);
  to.movementId.slice(Buffer.alloc(16, ++movements));
  to.kind.string(kind);
  to.accountId.slice(accountBytes);
  to.cardId.slice(cardBytes);
  to.holdId.slice(ids.ids());
  to.amountMinor.int8(amountMinor);
  to.currency.string('PEN');
  to.force.int2(1);
  to.covered.int2(covered ? 1 : 0);
  to.approvalCode.string(goodHold.approval_code);
  to.rrn.string(goodHold.rrn);
  for (const name of ['originalStan', 'stan', 'mcc', 'merchantName'] as const) to[name].null();
  to.movedAt.timestamp(Date.parse(at));
  to.expiresAt.timestamp(Date.parse('2026-12-20T00:00:00Z'));
  return (await live.moveForMessages(rows))[0].verdict;
}

async function balances(cell: TestCell) {
  const rows = await cell.admin.rows<{ id: string; posted: bigint; held: bigint }>`
    select external_card_id as id, posted_minor as posted, held_minor as held
      from cards.cards join ledger.accounts using (account_id) order by 1`;
  return rows.map(({ id, posted, held }) => `${id} ${posted} ${held}`);
}

const files = readScript(
  `
  full created_at=${FULL_AT}
  card c1 posted=100
  card c2 posted=100
  card c3 posted=100
  hold h1 card=c1 amount=30
  delta created_at=${DELTA_AT}
  card c1 v=2 posted=90
  card c2 v=2 posted=90
  card c4 posted=90
  hold h1 card=c1 amount=30
  hold h2 card=c2 amount=20
  hold h3 card=c3 amount=10
  `,
  'asof',
);

test('a delta over what messages have moved: stated balances, movements since, closed books', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 2 } });
  await migrate(cell, files[0].csv);
  const [before, since] = ['2026-11-21T05:59:59Z', '2026-11-21T06:00:00Z'];
  // h1 was brought by the first file; it is cleared after the second one was written.
  assert.equal(await move(cell, 'asof-c1', { kind: 'post', amountMinor: 25, at: since }), 'moved');
  // h2 and h3 were placed by messages; the second file knows them, and h3 is released afterwards.
  assert.equal(await move(cell, 'asof-c2', { kind: 'hold', amountMinor: 20, at: before }), 'moved');
  assert.equal(await move(cell, 'asof-c2', { kind: 'refund', amountMinor: 7, at: before }), 'moved');
  assert.equal(await move(cell, 'asof-c3', { kind: 'hold', amountMinor: 10, at: before }), 'moved');
  assert.equal(await move(cell, 'asof-c3', { kind: 'release', amountMinor: 0, at: since }), 'moved');
  const untouched = await balances(cell);
  assert.deepEqual(untouched, ['asof-c1 75 0', 'asof-c2 107 20', 'asof-c3 100 0']);

  const path = await cell.send(files[1].csv);
  const started = await startMigration(cell, path);
  await bringIn(cell, started, path);
  const { importNumber } = started.migration;
  const { report } = await finish(cell, importNumber, { workers: 2 });
  assert.deepEqual([report.reconciled, report.outcomes], [true, { migrated: 1, unchanged: 1, updated: 4 }]);
  assert.deepEqual(report.posted, { PEN: { file: '270', ledger: '270' } });
  assert.deepEqual(report.held, { PEN: { file: '60', ledger: '60' } });
  assert.deepEqual(await balances(cell), ['asof-c1 65 0', 'asof-c2 90 20', 'asof-c3 100 0', 'asof-c4 90 0']);
  // Followed late: it took place before the moment of the file, which states it.
  const late = { kind: 'post', amountMinor: 3, at: before, covered: true } as const;
  assert.equal(await move(cell, 'asof-c4', late), 'covered');
  assert.equal(await move(cell, 'asof-c3', late), 'moved', 'the second file does not speak of this account');
  await assertLedgerLaws(cell);
});

test('a cancelled delta leaves what messages have moved, before it and while it was loaded', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 2 } });
  await migrate(cell, files[0].csv);
  const since = '2026-11-21T06:00:00Z';
  assert.equal(await move(cell, 'asof-c1', { kind: 'post', amountMinor: 25, at: since }), 'moved');
  assert.equal(await move(cell, 'asof-c2', { kind: 'hold', amountMinor: 20, at: since }), 'moved');
  const path = await cell.send(files[1].csv);
  const started = await startMigration(cell, path);
  await bringIn(cell, started, path);
  const { importNumber } = started.migration;
  await workQueue(cell, importNumber, { workers: 2 });
  assert.deepEqual(await balances(cell), ['asof-c1 65 0', 'asof-c2 90 20', 'asof-c3 100 10', 'asof-c4 90 0']);
  assert.equal(await move(cell, 'asof-c2', { kind: 'release', amountMinor: 5, at: since }), 'moved');
  assert.equal(await move(cell, 'asof-c3', { kind: 'release', amountMinor: 0, at: since }), 'moved');
  assert.equal(await move(cell, 'asof-c4', { kind: 'post', amountMinor: 1, at: since }), 'moved');
  await cancelMigration(cell, importNumber, 'ana');
  assert.deepEqual(await balances(cell), ['asof-c1 75 0', 'asof-c2 100 5', 'asof-c3 100 0']);
  await assertLedgerLaws(cell);
  const { report } = await migrate(cell, files[1].csv);
  assert.deepEqual([report.state, report.reconciled], ['completed', true]);
  assert.deepEqual(await balances(cell), ['asof-c1 65 0', 'asof-c2 90 5', 'asof-c3 100 0', 'asof-c4 89 0']);
  await assertLedgerLaws(cell);
});

test('a validated and a mock file see what messages have moved, and keep nothing', async (t) => {
  const cell = await testCell(t);
  await migrate(cell, files[0].csv);
  assert.equal(await move(cell, 'asof-c1', { kind: 'post', amountMinor: 25, at: DELTA_AT }), 'moved');
  const before = await balances(cell);
  const [mock] = readScript(
    `mock created_at=${DELTA_AT}\n card c1 v=2 posted=90\n hold h1 card=c1 amount=30`,
    'asof',
  );
  const { report } = await migrate(cell, mock.csv.replace(/asof-1,/, 'asof-mock,'));
  assert.deepEqual([report.reconciled, report.posted], [true, { PEN: { file: '90', ledger: '90' } }]);
  assert.deepEqual(await balances(cell), before);
});
