import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { bringIn, finish } from '#tools/testing/migrate.ts';
import { readScript } from '#tools/testing/script.ts';
import { storedRows } from '#tools/testing/tables.ts';
import { startMigration } from '../start-migration.ts';
import { setPaused } from '../store.ts';
import { listDeadLetters } from '../redrive.ts';
import { ChunkWorker } from '../work/work-chunk.ts';
import {
  backoffMs,
  CARDS_PHASE,
  extendLeases,
  finishChunk,
  FREE_LANE,
  type LeasedChunk,
  leaseChunk,
  LINKS_PHASE,
  ORDERED_LANE,
  returnChunk,
} from './chunk-queue.ts';

const A = { worker: 'a', seconds: 60 };
const B = { worker: 'b', seconds: 60 };
const SHORT = { worker: 'a', seconds: 0.05 };
const runOut = () => sleep(80);

/** Each line is a chunk: c1 and c2 in any order, the versions of c3 one after the other, then a hold and tokens. */
const script = `
  full
  card c1
  card c2
  card c3
  card c3 v=2
  card c3 v=3
  hold h1 card=c1
  token t1 card=c1
  token t1 card=c1
`;

async function loaded(t: TestContext, settings = {}): Promise<{ cell: TestCell; importNumber: number }> {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 1, ...settings } });
  const path = await cell.send(readScript(script, 'q')[0].csv);
  const started = await startMigration(cell, path);
  assert.equal(started.verdict, 'accepted');
  await bringIn(cell, started, path);
  return { cell, importNumber: started.migration.importNumber };
}

const nameOf = (chunk: LeasedChunk | null) => chunk && `${chunk.phase}.${chunk.lane} line ${chunk.firstLine}`;

async function leaseAll(cell: TestCell): Promise<LeasedChunk[]> {
  const chunks: LeasedChunk[] = [];
  for (let chunk = await leaseChunk(cell.db, A); chunk; chunk = await leaseChunk(cell.db, A))
    chunks.push(chunk);
  return chunks;
}

test('cards before what hangs on them; the ordered lane one chunk at a time, in file order', async (t) => {
  const { cell, importNumber } = await loaded(t);
  const worker = new ChunkWorker(cell);
  const turns: (string | null)[][] = [];
  for (let chunks = await leaseAll(cell); chunks.length > 0; chunks = await leaseAll(cell)) {
    turns.push(chunks.map(nameOf).sort());
    for (const chunk of chunks) assert.equal(await worker.work(chunk), 'done');
  }
  const free = (phase: number) => `${phase}.${FREE_LANE}`;
  const ordered = (phase: number) => `${phase}.${ORDERED_LANE}`;
  assert.deepEqual(turns, [
    [`${free(CARDS_PHASE)} line 2`, `${free(CARDS_PHASE)} line 3`, `${ordered(CARDS_PHASE)} line 4`],
    [`${ordered(CARDS_PHASE)} line 5`],
    [`${ordered(CARDS_PHASE)} line 6`],
    [`${free(LINKS_PHASE)} line 7`, `${ordered(LINKS_PHASE)} line 8`],
    [`${ordered(LINKS_PHASE)} line 9`],
  ]);
  assert.deepEqual((await finish(cell, importNumber)).report.outcomes, {
    migrated: 5,
    updated: 2,
    rejected: 1,
  });
});

test('a leased chunk is nobody else’s until its lease runs out', async (t) => {
  const { cell } = await loaded(t);
  const mine = (await leaseChunk(cell.db, SHORT))!;
  assert.equal(mine.attempts, 1);
  const others = await leaseAll(cell);
  assert.ok(others.every((each) => nameOf(each) !== nameOf(mine)));
  await runOut();
  const taken = (await leaseChunk(cell.db, B))!;
  assert.equal(nameOf(taken), nameOf(mine));
  assert.deepEqual([taken.epoch, taken.attempts], [mine.epoch + 1, 2]);
});

test('a heartbeat keeps leases, but gives none back that ran out', async (t) => {
  const { cell } = await loaded(t);
  await leaseChunk(cell.db, { worker: 'a', seconds: 0.3 });
  for (let beat = 0; beat < 5; beat++) {
    await sleep(100);
    assert.equal(await extendLeases(cell.db, { worker: 'a', seconds: 0.3 }), 1);
  }
  assert.equal(await extendLeases(cell.db, B), 0);
  await sleep(350);
  assert.equal(await extendLeases(cell.db, A), 0);
});

test('a worker that stalled past its lease changes nothing more', async (t) => {
  const { cell, importNumber } = await loaded(t);
  const stalled = (await leaseChunk(cell.db, SHORT))!;
  await runOut();
  const current = (await leaseChunk(cell.db, B))!;
  assert.equal(nameOf(current), nameOf(stalled));
  const before = await storedRows(cell, ['migrations']);
  const result = { outcomes: Buffer.from('x'), totals: '{}' };
  const never = () => Promise.reject(new Error('nothing may run alongside'));
  assert.equal(await finishChunk(cell.db, stalled, result, never), false);
  assert.equal(await returnChunk(cell.db, stalled, 0, 'late'), 0);
  assert.deepEqual(await storedRows(cell, ['migrations']), before);

  // Its whole work, done late, is lost to the queue and doubles nothing in the services.
  const worker = new ChunkWorker(cell);
  assert.equal(await worker.work(stalled), 'lost');
  assert.equal(await worker.work(current), 'done');
  assert.equal(await worker.work(stalled), 'lost');
  const { report } = await finish(cell, importNumber);
  assert.deepEqual(report.outcomes, { migrated: 5, updated: 2, rejected: 1 });
  assert.equal(report.reconciled, true);
});

test('every chunk worked twice ends as if it had been worked once', async (t) => {
  const { cell, importNumber } = await loaded(t);
  const worker = new ChunkWorker(cell);
  for (;;) {
    const first = await leaseChunk(cell.db, SHORT);
    if (!first) break;
    await runOut();
    const second = (await leaseChunk(cell.db, B))!;
    assert.equal(nameOf(second), nameOf(first));
    assert.equal(await worker.work(first), 'lost');
    assert.equal(await worker.work(second), 'done');
  }
  const { report } = await finish(cell, importNumber);
  assert.deepEqual(report.outcomes, { migrated: 5, updated: 2, rejected: 1 });
  assert.equal(report.reconciled, true);
});

test('a chunk laid back waits out its back-off', async (t) => {
  const { cell } = await loaded(t);
  const chunk = (await leaseChunk(cell.db, A))!;
  assert.equal(await returnChunk(cell.db, chunk, 250, 'the ledger is down'), 1);
  const names = (await leaseAll(cell)).map(nameOf);
  assert.ok(!names.includes(nameOf(chunk)));
  await sleep(300);
  assert.equal(nameOf(await leaseChunk(cell.db, A)), nameOf(chunk));
});

test('nothing of a paused migration is handed out', async (t) => {
  const { cell, importNumber } = await loaded(t);
  await setPaused(cell.db, importNumber, true);
  assert.equal(await leaseChunk(cell.db, A), null);
  await setPaused(cell.db, importNumber, false);
  assert.notEqual(await leaseChunk(cell.db, A), null);
});

test('many workers never hold one chunk at once', async (t) => {
  const { cell } = await loaded(t);
  const leased = await Promise.all(
    Array.from({ length: 24 }, (_, i) => leaseChunk(cell.db, { worker: `w${i}`, seconds: 60 })),
  );
  const names = leased.filter((chunk) => chunk !== null).map(nameOf);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 1 && names.length <= 3);
});

test('a chunk that kills its workers is laid among the dead letters, and what hangs on it too', async (t) => {
  const { cell, importNumber } = await loaded(t, { RELEVO_CHUNK_ATTEMPTS: 2 });
  const killer = (await leaseChunk(cell.db, SHORT))!;
  assert.equal(nameOf(killer), '1.0 line 2');
  await runOut();
  assert.equal(nameOf(await leaseChunk(cell.db, SHORT)), nameOf(killer));
  await runOut();
  const { report } = await finish(cell, importNumber);
  const letters = await listDeadLetters(cell.db, importNumber);
  assert.deepEqual(
    letters.map(({ externalId, code }) => `${externalId} ${code}`),
    ['q-c1 worker_lost', 'q-h1 card_is_dead', 'q-t1 card_is_dead', 'q-t1 card_is_dead'],
  );
  assert.deepEqual(report.outcomes, { migrated: 2, updated: 2, dead: 4 });
  assert.equal(report.reconciled, true);
});

test('the back-off doubles, with jitter, within bounds', () => {
  const attempt = fc.integer({ min: 1, max: 100 });
  const base = fc.integer({ min: 1, max: 60_000 });
  const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  fc.assert(
    fc.property(attempt, base, random, (attempt, base, random) => {
      const wait = backoffMs(attempt, base, () => random);
      const most = Math.min(30_000, base * 2 ** (attempt - 1));
      assert.ok(wait >= 0 && wait <= most);
      assert.equal(wait, Math.round(random * most));
    }),
  );
  assert.deepEqual(
    [1, 2, 3, 4, 20].map((attempt) => backoffMs(attempt, 500, () => 1)),
    [500, 1000, 2000, 4000, 30_000],
  );
});
