import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { identifier } from '#runtime/database/sql.ts';
import { roleName } from '#delivery/cells/cell-name.ts';
import { assertLedgerLaws, assertStored } from '#tools/testing/books.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { bringIn, finish, migrate, workQueue } from '#tools/testing/migrate.ts';
import { judge } from '#tools/testing/play.ts';
import { readScript } from '#tools/testing/script.ts';
import { until } from '#tools/testing/until.ts';
import { emptyState } from './oracle/state.ts';
import { listDeadLetters, redrive } from './redrive.ts';
import { startMigration } from './start-migration.ts';
import { queueState } from './store.ts';
import { runWorker } from './work/worker.ts';

/** A service or its database is gone for a while: chunks wait and go on; attempts that run out are dead letters. */
const [{ csv }] = readScript(
  `
  full
  card c1 posted=10
  card c2 account=a posted=20
  card c2 v=2 account=a posted=20
  card c3 account=a posted=20
  raw no such line
  hold h1 card=c1 amount=1
  hold h2 card=c2 amount=2
  token t1 card=c3
  `,
  'down',
);

/** Ways in which a service's database goes away, and how it comes back. */
const outages: Record<string, (cell: TestCell, service: string) => Promise<() => Promise<unknown>>> = {
  async 'the role may not log in'(cell, service) {
    const role = identifier(roleName(cell.name, service));
    await cell.admin.run`alter role ${role} nologin`;
    await cell.admin.rows`
      select pg_terminate_backend(pid) from pg_stat_activity where usename = ${roleName(cell.name, service)}`;
    return () => cell.admin.run`alter role ${role} login`;
  },
  async 'its rights are withdrawn'(cell, service) {
    const role = identifier(roleName(cell.name, service));
    const schema = identifier(service);
    await cell.admin.run`revoke usage on schema ${schema} from ${role}`;
    return () => cell.admin.run`grant usage on schema ${schema} to ${role}`;
  },
};

async function begin(t: TestContext, settings: Record<string, number>) {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 2, RELEVO_BACKOFF_MS: 5, ...settings } });
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  await bringIn(cell, started, path);
  return { cell, importNumber: started.migration.importNumber };
}

for (const service of ['cards', 'cardholders', 'ledger'])
  for (const [what, takeAway] of Object.entries(outages)) {
    test(`${service}, ${what}: chunks wait and then go on`, async (t) => {
      const { cell, importNumber } = await begin(t, { RELEVO_CHUNK_ATTEMPTS: 100 });
      const bringBack = await takeAway(cell, service);
      const finishing = finish(cell, importNumber, { workers: 2 });
      await until('a chunk has failed twice', async () => {
        const tried = await cell.admin.rows`
          select from migrations.chunks where attempts >= 3 and last_error is not null`;
        return tried.length > 0;
      });
      const waiting = await queueState(cell.db, importNumber);
      assert.ok(waiting.done < waiting.chunks);
      assert.match(waiting.lastError!, /PostgreSQL answered|connection failed/);
      await bringBack();
      const { report, lines } = await finishing;
      const state = emptyState();
      const judged = judge(csv, state);
      assert.deepEqual([report.outcomes, report.reconciled], [judged.outcomes, true]);
      assert.deepEqual(
        lines.map(({ outcome }) => outcome),
        judged.byLine.map(({ outcome }) => outcome),
      );
      await assertStored(cell, state, 'down');
      await assertLedgerLaws(cell);
    });

    test(`${service}, ${what}: attempts run out, the lines are dead, and all come through once it is back`, async (t) => {
      const { cell, importNumber } = await begin(t, { RELEVO_CHUNK_ATTEMPTS: 2 });
      const bringBack = await takeAway(cell, service);
      const working = workQueue(cell, importNumber, { workers: 2 });
      // What was begun cannot be taken back while the cards service itself is away: then chunks wait on.
      if (service === 'cards') {
        await until('attempts have run out', async () => {
          const tried = await cell.admin.rows`select from migrations.chunks where attempts > 4`;
          return tried.length > 0;
        });
        await bringBack();
      }
      await working;
      if (service !== 'cards') await bringBack();
      const first = await finish(cell, importNumber);
      assert.deepEqual([first.report.state, first.report.reconciled], ['completed', true]);
      await assertLedgerLaws(cell);
      const letters = await listDeadLetters(cell.db, importNumber);
      assert.equal(first.report.outcomes.dead, letters.length);
      assert.ok(letters.length >= (service === 'cards' ? 1 : 4));
      const codes = new Set(['dependency_unavailable', 'worker_lost', 'card_is_dead']);
      for (const { code } of letters) assert.ok(codes.has(code), code);
      assert.deepEqual(
        first.report.rejections,
        { wrong_field_count: 1 },
        'what the contract rejects is rejected',
      );

      await redrive(cell, first.migration, {}, 'ana');
      const second = await finish(cell, importNumber, { workers: 2 });
      const state = emptyState();
      const judged = judge(csv, state);
      assert.deepEqual([second.report.outcomes, second.report.reconciled], [judged.outcomes, true]);
      await assertStored(cell, state, 'down');
      await assertLedgerLaws(cell);
    });
  }

test('every connection of a cell is cut while it works, again and again', async (t) => {
  const { cell, importNumber } = await begin(t, {
    RELEVO_CHUNK_LINES: 1,
    RELEVO_CHUNK_ATTEMPTS: 100,
    RELEVO_LEASE_SECONDS: 1,
  });
  const roles = ['cards', 'cardholders', 'ledger', 'migrations'].map((role) => roleName(cell.name, role));
  const cut = async () => {
    for (let cuts = 0; cuts < 60; cuts++) {
      await cell.admin.rows`
        select pg_terminate_backend(pid) from pg_stat_activity where usename = any(${roles}) and random() < 0.5`;
      await sleep(10);
    }
  };
  await Promise.all([cut(), workThrough(cell, importNumber)]);
  const state = emptyState();
  const { report } = await finish(cell, importNumber);
  assert.deepEqual([report.outcomes, report.reconciled], [judge(csv, state).outcomes, true]);
  await assertStored(cell, state, 'down');
  await assertLedgerLaws(cell);
});

/** Workers that end with the queue; asking whether it is empty may fail as everything else may. */
const workThrough = (cell: TestCell, importNumber: number) =>
  Promise.all(
    ['one', 'two'].map((name) =>
      runWorker(cell, {
        name,
        signal: AbortSignal.timeout(60_000),
        mayEnd: async () => {
          const { chunks, done } = await queueState(cell.db, importNumber);
          return done === chunks;
        },
      }),
    ),
  );

test('a chunk that a living worker could not lay back is taken over when its lease runs out', async (t) => {
  const { cell, importNumber } = await begin(t, { RELEVO_CHUNK_ATTEMPTS: 100, RELEVO_LEASE_SECONDS: 1 });
  const bringBack = await outages['its rights are withdrawn'](cell, 'ledger');
  await cell.admin.run`
    create function public.refuse() returns trigger language plpgsql as $$
    begin raise exception 'not now'; end $$`;
  await cell.admin.run`
    create trigger refuse_return before update on migrations.chunks
       for each row when (new.state = 'ready') execute function public.refuse()`;
  let troubles = 0;
  const stop = new AbortController();
  const running = runWorker(cell, { name: 'living', signal: stop.signal, onTrouble: () => troubles++ });
  t.after(() => stop.abort());
  await until('chunks could not be laid back', () => troubles >= 2);
  await cell.admin.run`drop trigger refuse_return on migrations.chunks`;
  await bringBack();
  await until('the same worker has taken them over', async () => {
    const { chunks, done } = await queueState(cell.db, importNumber);
    return done === chunks;
  });
  stop.abort();
  await running;
  assert.deepEqual((await finish(cell, importNumber)).report.outcomes, judge(csv, emptyState()).outcomes);
});

test('attempts run out after a part of a chunk was finished: what is finished stays, the rest is dead', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_BACKOFF_MS: 1, RELEVO_CHUNK_ATTEMPTS: 2 } });
  const [full, delta] = readScript(
    `
    full
    card c1 account=a posted=10
    card c9 posted=90
    delta
    card c1 v=2 account=a posted=11
    card c1 v=3 account=a posted=11
    card c2 account=b posted=20
    card c2 v=2 account=sick posted=30
    card c3 account=b posted=20
    `,
    'part',
  );
  await migrate(cell, full.csv);
  // Disk full for one account: a fault that is nobody's row.
  await cell.admin.run`
    create function public.sick() returns trigger language plpgsql as $$
    begin raise exception 'no room' using errcode = '53100'; end $$`;
  await cell.admin.run`
    create trigger sick before insert on ledger.accounts
       for each row when (new.external_account_id = 'part-a-sick') execute function public.sick()`;
  const first = await migrate(cell, delta.csv);
  assert.deepEqual([first.report.state, first.report.reconciled], ['completed', true]);
  assert.ok(first.report.outcomes.dead! > 0);
  await assertLedgerLaws(cell);
  await cell.admin.run`drop trigger sick on ledger.accounts`;
  await redrive(cell, first.migration, {}, 'ana');
  const { report } = await finish(cell, first.migration.importNumber);
  const state = emptyState();
  judge(full.csv, state);
  const judged = judge(delta.csv, state);
  assert.deepEqual([report.outcomes, report.reconciled], [judged.outcomes, true]);
  await assertStored(cell, state, 'part');
  await assertLedgerLaws(cell);
});
