import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertLedgerLaws, assertStored } from '#tools/testing/books.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { finish, migrate, type Migrated } from '#tools/testing/migrate.ts';
import { judge } from '#tools/testing/play.ts';
import { cure, poison, type PoisonedRow } from '#tools/testing/poison.ts';
import { readScript } from '#tools/testing/script.ts';
import { emptyState } from './oracle/state.ts';
import { type DeadLetterFilter, listDeadLetters, redrive } from './redrive.ts';

/** A row that PostgreSQL cannot take lies among the dead letters and holds up no other. */
const script = `
  full
  card c1 account=a posted=10
  card c2 account=b posted=20
  card c3 account=c posted=30
  card c4 account=c posted=30
  hold h1 card=c1 amount=1
  hold h2 card=c2 amount=2
  hold h3 card=c3 amount=3
  token t2 card=c2
  token t3 card=c3
`;

const outcomesOf = ({ lines }: Migrated) =>
  Object.fromEntries(lines.map((each) => [each.externalId.replace(/^x-/, ''), each.code || each.outcome]));

async function redriveAll(cell: TestCell, { migration }: Migrated, filter: DeadLetterFilter = {}) {
  const redriven = await redrive(cell, migration, filter, 'ana');
  return { redriven, after: await finish(cell, migration.importNumber, { workers: 2 }) };
}

const migrated = 'migrated';
const withCard2 = { c2: 'row_failed', h2: 'card_is_dead', t2: 'card_is_dead' };
const poisonings: Record<string, { row: PoisonedRow; dead: Record<string, string> }> = {
  'a card': { row: { table: 'cards.cards', column: 'external_card_id', value: 'x-c2' }, dead: withCard2 },
  'a cardholder': {
    row: { table: 'cardholders.cardholders', column: 'external_cardholder_id', value: 'x-h-c2' },
    dead: withCard2,
  },
  'an account': {
    row: { table: 'ledger.accounts', column: 'external_account_id', value: 'x-a-b' },
    dead: withCard2,
  },
  'an account that two cards share': {
    row: { table: 'ledger.accounts', column: 'external_account_id', value: 'x-a-c' },
    dead: { c3: 'row_failed', c4: 'row_failed', h3: 'card_is_dead', t3: 'card_is_dead' },
  },
  'a hold': {
    row: { table: 'ledger.holds', column: 'external_hold_id', value: 'x-h2' },
    dead: { h2: 'row_failed' },
  },
  'a token': {
    row: { table: 'cards.tokens', column: 'external_token_ref', value: 'x-t3' },
    dead: { t3: 'row_failed' },
  },
};

for (const chunkLines of [4096, 2])
  for (const [what, { row, dead }] of Object.entries(poisonings))
    test(`${what} that cannot be stored is dead, others come through, and so does it later (chunks of ${chunkLines})`, async (t) => {
      const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: chunkLines, RELEVO_BACKOFF_MS: 1 } });
      await poison(cell, row);
      const [{ csv }] = readScript(script, 'x');
      const first = await migrate(cell, csv, { workers: 2 });
      const all = ['c1', 'c2', 'c3', 'c4', 'h1', 'h2', 'h3', 't2', 't3'];
      const expected = Object.fromEntries(all.map((id) => [id, dead[id] ?? migrated]));
      assert.deepEqual(outcomesOf(first), expected);
      const { report } = first;
      assert.deepEqual([report.state, report.reconciled], ['completed', true]);
      assert.equal(report.outcomes.dead, Object.keys(dead).length);
      assert.deepEqual(report.rejections, {}, 'dead lines are not rejected');
      await assertLedgerLaws(cell);
      const cards = await cell.admin.rows<{ id: string }>`
        select substring(external_card_id from 3) as id from cards.cards order by 1`;
      assert.deepEqual(
        cards.map(({ id }) => id),
        all.filter((id) => id.startsWith('c') && !(id in dead)),
        'no half-loaded card',
      );
      const letters = await listDeadLetters(cell.db, first.migration.importNumber);
      assert.deepEqual(
        letters.map(({ externalId, code }) => [externalId.replace('x-', ''), code]),
        Object.entries(dead),
      );
      for (const { detail } of letters)
        assert.doesNotMatch(detail, /poisoned|x-/, 'no value of the row is told');

      const stillDead = await redriveAll(cell, first);
      assert.equal(stillDead.redriven, letters.length);
      assert.deepEqual(outcomesOf(stillDead.after), expected);
      assert.equal(stillDead.after.report.outcomes.dead, letters.length);

      await cure(cell, row);
      const { after } = await redriveAll(cell, first);
      const state = emptyState();
      const judged = judge(csv, state);
      assert.deepEqual(after.report.outcomes, judged.outcomes);
      assert.deepEqual(
        after.lines.map(({ line, outcome }) => [line, outcome]),
        judged.byLine.map(({ line, outcome }) => [line, outcome]),
      );
      assert.equal(after.report.reconciled, true);
      assert.deepEqual(await listDeadLetters(cell.db, first.migration.importNumber), []);
      await assertStored(cell, state, 'x');
      await assertLedgerLaws(cell);
    });

test('dead letters are redriven by line and by code; what hangs on a dead card stays dead without it', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_BACKOFF_MS: 1 } });
  const { row } = poisonings['a card'];
  await poison(cell, row);
  const [{ csv }] = readScript(script, 'x');
  const first = await migrate(cell, csv);
  await cure(cell, row);
  const holdOnly = await redriveAll(cell, first, { fromLine: 7, toLine: 7 });
  assert.equal(holdOnly.redriven, 1);
  assert.equal(outcomesOf(holdOnly.after)['h2'], 'card_is_dead');
  const card = await redriveAll(cell, holdOnly.after, { code: 'row_failed' });
  assert.equal(card.redriven, 1);
  assert.deepEqual(
    [outcomesOf(card.after)['c2'], outcomesOf(card.after)['h2']],
    ['migrated', 'card_is_dead'],
  );
  assert.equal(await redrive(cell, card.after.migration, { code: 'row_failed' }, 'ana'), 0);
  const rest = await redriveAll(cell, card.after);
  assert.equal(rest.redriven, 2);
  assert.deepEqual(rest.after.report.outcomes, { migrated: 9 });
  assert.equal(rest.after.report.reconciled, true);
});

test('a dead line is redriven after a later file has stated the same card and account', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_BACKOFF_MS: 1 } });
  const row: PoisonedRow = { table: 'cards.cards', column: 'external_card_id', value: 'x-c2' };
  await poison(cell, row);
  const [full, delta] = readScript(
    `${script}
    delta
    card c1 v=2 account=a posted=11
    card c2 v=2 account=b posted=25
    card c3 v=1 account=c posted=31 op=status
    hold h3 card=c3 amount=4
    `,
    'x',
  );
  const first = await migrate(cell, full.csv);
  await cure(cell, row);
  const second = await migrate(cell, delta.csv);
  assert.equal(second.report.reconciled, true);
  assert.equal(outcomesOf(second)['c2'], 'migrated');
  const { after } = await redriveAll(cell, first);
  assert.equal(outcomesOf(after)['c2'], 'stale_version');
  assert.deepEqual([outcomesOf(after)['h2'], outcomesOf(after)['t2']], ['migrated', 'migrated']);
  assert.equal(after.report.reconciled, true);
  await assertLedgerLaws(cell);
});

test('a migration that is under way is not redriven', async (t) => {
  const cell = await testCell(t);
  const [{ csv }] = readScript(script, 'x');
  const { migration } = await migrate(cell, csv);
  await cell.admin.run`update migrations.migrations set state = 'working'`;
  await assert.rejects(
    redrive(cell, { ...migration, state: 'working' }, {}, 'ana'),
    (error) => (error as { code: string }).code === 'not_completed',
  );
});

test('an update that cannot be finished leaves the card as it was before', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_BACKOFF_MS: 1 } });
  const [full, delta] = readScript(
    `
    full
    card c1 account=a posted=10 product=old
    card c2
    delta
    card c1 v=2 account=b posted=10 product=new pan=other
    card c2 v=2 product=new
    card c1 v=3 op=close account=a posted=10
    `,
    'x',
  );
  await migrate(cell, full.csv);
  const cardOf = async (id: string) => {
    const [card] = await cell.admin.rows`select * from cards.cards where external_card_id = ${id}`;
    return card;
  };
  const before = await cardOf('x-c1');
  const row: PoisonedRow = { table: 'ledger.accounts', column: 'external_account_id', value: 'x-a-b' };
  await poison(cell, row);
  const second = await migrate(cell, delta.csv);
  assert.deepEqual(
    second.lines.map(({ outcome }) => outcome),
    ['dead', 'updated', 'updated'],
  );
  assert.equal(second.report.reconciled, true);
  const after = await cardOf('x-c1');
  assert.deepEqual(
    [after['product'], after['pan_index'], after['account_id'], after['status'], after['version']],
    ['old', before['pan_index'], before['account_id'], 'closed', 3n],
  );
  await assertLedgerLaws(cell);
  await cure(cell, row);
  const { after: redriven } = await redriveAll(cell, second);
  assert.equal(redriven.lines[0].code, 'stale_version');
  assert.equal(redriven.report.reconciled, true);
});

test('a statement of ours that makes no sense is given up at the first attempt, and its lines can be redriven', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_BACKOFF_MS: 1 } });
  await cell.admin.run`
    create function public.nonsense() returns trigger language plpgsql as $$
    begin execute 'selct 1'; return new; end $$`;
  await cell.admin.run`
    create trigger nonsense before insert on ledger.holds for each row execute function public.nonsense()`;
  const [{ csv }] = readScript(script, 'x');
  const first = await migrate(cell, csv);
  const letters = await listDeadLetters(cell.db, first.migration.importNumber);
  assert.deepEqual(
    letters.map(({ externalId, code, attempts }) => [externalId, code, attempts]),
    ['x-h1', 'x-h2', 'x-h3', 'x-t2', 'x-t3'].map((id) => [id, 'statement_defective', 1]),
  );
  assert.match(letters[0].detail, /PostgreSQL answered 42601/);
  assert.equal(first.report.reconciled, true);
  await cell.admin.run`drop trigger nonsense on ledger.holds`;
  const { after } = await redriveAll(cell, first);
  assert.deepEqual([after.report.outcomes, after.report.reconciled], [{ migrated: 9 }, true]);
  await assertLedgerLaws(cell);
});
