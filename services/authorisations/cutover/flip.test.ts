import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { FLIP_CRASH_POINTS } from '#runtime/crash-point.ts';
import { testCell } from '#tools/testing/cell.ts';
import { runRelevo } from '#tools/testing/cli.ts';
import { testServer } from '#tools/testing/server.ts';
import { until } from '#tools/testing/until.ts';
import { rangeNamed } from '../ranges/list-ranges.ts';
import { holdRange, shareRanges } from '../store/ranges.ts';
import { approvalsOf } from './approvals.ts';
import { approve } from './approve.ts';
import { checkGate } from './check-gate.ts';
import { flip } from './flip.ts';
import {
  addMessages,
  approveTwice,
  beat,
  cutoverOf,
  greenRange,
  issueCard,
  RANGE,
  sweep,
} from './test-cutover.ts';

const cell = await testCell();
const cutover = await cutoverOf(cell);
const { db } = cutover;
let entriesBefore = 0;

beforeEach(async () => {
  await sweep(cell);
  await greenRange(cell, cutover);
  entriesBefore = (await cell.admin.rows`select from audit.entries`).length;
});

/** What the trail says of the range since the test began. */
const trail = async (): Promise<string[]> => {
  const entries = await cell.admin.rows<{ actor: string; action: string }>`
    select actor, action from audit.entries where action like 'cutover.%' and seq > ${entriesBefore} order by seq`;
  return entries.map(({ actor, action }) => `${actor} ${action}`);
};
const modeNow = async () => {
  const { mode, epoch } = await rangeNamed(db, RANGE);
  return `${mode} ${epoch}`;
};
const cutOver = (operator = 'ana') => flip(cutover, { prefix: RANGE, direction: 'cutover', operator });
const rollBack = (operator = 'ana') => flip(cutover, { prefix: RANGE, direction: 'rollback', operator });

test('two operators approve, and the range is own', async () => {
  await approveTwice(cutover, 'cutover');
  const flipped = await cutOver();
  assert.equal(await modeNow(), 'own 2');
  assert.deepEqual(
    [flipped.mode, flipped.epoch, flipped.approvedBy, flipped.operator],
    ['own', 1, 'ana, bruno', 'ana'],
  );
  assert.ok(flipped.heldMs! > 0 && flipped.heldMs! < 2_000);
  assert.equal((await rangeNamed(db, RANGE)).flippedAt?.getTime(), flipped.flippedAt.getTime());
  assert.deepEqual(await trail(), [
    'ana cutover.approved',
    'bruno cutover.approved',
    'ana cutover.cutover_begun',
    'ana cutover.flipped',
  ]);
  await assert.rejects(cutOver(), { code: 'nothing_to_cut_over' });
});

test('and back again, and forward once more: approvals are for one flip', async () => {
  await approveTwice(cutover, 'cutover');
  await cutOver();
  await assert.rejects(rollBack(), { code: 'not_approved' });
  await approveTwice(cutover, 'rollback');
  assert.equal((await rollBack()).mode, 'relay');
  assert.equal(await modeNow(), 'relay 3');
  await assert.rejects(rollBack(), { code: 'nothing_to_roll_back' });
  // The shadow has seen nothing since the rollback.
  await assert.rejects(cutOver(), { code: 'gate_red' });
  await addMessages(cell, { count: 20, secondsAgo: 0 });
  await assert.rejects(cutOver(), { code: 'not_approved' });
  await approveTwice(cutover, 'cutover');
  await cutOver();
  assert.equal(await modeNow(), 'own 4');
  assert.deepEqual(
    (await trail()).filter((entry) => /flipped|rolled_back/.test(entry)),
    ['ana cutover.flipped', 'ana cutover.rolled_back', 'ana cutover.flipped'],
  );
});

test('a red gate, no approval, one approval: nothing is flipped, and it is said why', async () => {
  await assert.rejects(cutOver(), { code: 'not_approved', message: /nobody has approved/ });
  await approve(cutover, { prefix: RANGE, operator: 'ana' });
  await assert.rejects(cutOver(), { code: 'not_approved', message: /only ana \(.*\) has approved/ });
  await approve(cutover, { prefix: RANGE, operator: 'bruno' });
  await beat(cell, { networkSignedOn: false });
  await assert.rejects(cutOver(), { code: 'gate_red', message: /network_signed_on {2}not signed on in a/ });
  assert.equal(await modeNow(), 'relay 1');
  await beat(cell);
  await cutOver();
});

test('who has approved cannot be the second one', async () => {
  const by = (operator: string) => approve(cutover, { prefix: RANGE, direction: 'cutover', operator });
  await by('Ana Quispe');
  for (const same of ['Ana Quispe', 'ana quispe', 'ANA QUISPE'])
    await assert.rejects(by(same), { code: 'own_request', message: /Ana Quispe has approved/ });
  const gate = await by('bruno');
  assert.deepEqual(
    gate.approvals.map(({ operator }) => operator),
    ['Ana Quispe', 'bruno'],
  );
  await assert.rejects(by('bruno'), { code: 'own_request' });
  await assert.rejects(approve(cutover, { prefix: RANGE, direction: 'rollback', operator: 'eva' }), {
    code: 'nothing_to_roll_back',
  });
});

test('the same operator twice at once counts once', async () => {
  const ends = await Promise.allSettled(
    ['ana', 'Ana', 'ANA'].map((operator) => approve(cutover, { prefix: RANGE, operator })),
  );
  assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal((await approvalsOf(db, await rangeNamed(db, RANGE), 'cutover')).length, 1);
});

test('an approval is void after 24 hours, and can be given anew', async () => {
  await approveTwice(cutover, 'cutover');
  await cell.admin.run`
    update authorisations.approvals set at = now() - interval '24 hours 1 second' where operator = 'ana'`;
  await assert.rejects(cutOver(), { code: 'not_approved', message: /only bruno/ });
  await approve(cutover, { prefix: RANGE, operator: 'ana' });
  await cutOver();
});

test('a gate can be red when it is approved; the trail tells what was seen', async () => {
  await beat(cell, { processorUp: false });
  await approve(cutover, { prefix: RANGE, operator: 'ana' });
  const [{ details }] = await cell.admin.rows<{ details: string }>`
    select details from audit.entries order by seq desc limit 1`;
  assert.deepEqual(JSON.parse(details), {
    approval: 1,
    direction: 'cutover',
    epoch: 1,
    gate: 'red: processor_up',
  });
});

test('of two flips at once one wins, and the other is told', async () => {
  await approveTwice(cutover, 'cutover');
  const other = await cutoverOf(cell);
  // A batch of messages is under way, so that both flips are at the lock before either has it.
  const release = await batchUnderWay();
  const ends = Promise.allSettled([
    cutOver('ana'),
    flip(other, { prefix: RANGE, direction: 'cutover', operator: 'bruno' }),
  ]);
  await until('both wait', async () => (await waiting('not granted')) === 2);
  await release();
  const [a, b] = await ends;
  const [won, lost] = a.status === 'fulfilled' ? [a, b] : [b, a];
  assert.equal(won.status, 'fulfilled');
  assert.equal(lost.status === 'rejected' && lost.reason.code, 'flip_lost_race');
  assert.equal(await modeNow(), 'own 2');
  const told = (await trail()).map((entry) => entry.split(' ')[1]).sort();
  assert.deepEqual(told, [
    'cutover.approved',
    'cutover.approved',
    'cutover.cutover_abandoned',
    'cutover.cutover_begun',
    'cutover.cutover_begun',
    'cutover.flipped',
  ]);
});

/** A batch of messages that has the range's lock in common with others, until it is released. */
async function batchUnderWay(): Promise<() => Promise<void>> {
  let release = () => {};
  const batch = db.pipeline(async (tx) => {
    shareRanges(tx, [RANGE]);
    await new Promise<void>((resolve) => (release = resolve));
  });
  await until('a batch is under way', async () => (await waiting('granted')) > 0);
  return () => {
    release();
    return batch;
  };
}

const waiting = async (how: 'granted' | 'not granted'): Promise<number> =>
  (
    await cell.admin.rows`
      select from pg_locks
       where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
         and objid = ${RANGE}::int8 and granted = ${how === 'granted'}`
  ).length;

test('the gate is asked again while the range is held', async () => {
  await approveTwice(cutover, 'cutover');
  const release = await batchUnderWay();
  const end = assert.rejects(cutOver(), { code: 'gate_red', message: /shadow_agreement/ });
  await until('the flip waits', async () => (await waiting('not granted')) === 1);
  // What has come since the first look: enough to go below the bar.
  await addMessages(cell, { count: 3, ownCode: '51', secondsAgo: -1 });
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  await release();
  await end;
  assert.equal(await modeNow(), 'relay 1');
  assert.equal((await trail()).at(-1), 'ana cutover.cutover_abandoned');
});

test('a batch that does not end keeps a flip away, and messages from waiting behind it for long', async () => {
  await approveTwice(cutover, 'cutover');
  const release = await batchUnderWay();
  const started = performance.now();
  await assert.rejects(cutOver(), { code: 'range_busy' });
  assert.ok(performance.now() - started < 4_000);
  await release();
  await cutOver();
});

test('a rollback after cards were issued here waits until they are handed back', async () => {
  await approveTwice(cutover, 'cutover');
  await cutOver();
  await issueCard(cell, { issuedAt: new Date(Date.now() - 20_000) });
  await approveTwice(cutover, 'rollback');
  await assert.rejects(rollBack(), { code: 'cards_issued_here' });
  await beat(cell, { processorUp: false });
  await assert.rejects(rollBack(), { code: 'gate_red', message: /no_cards_issued_here.*processor_up/s });
  await beat(cell);
  await cell.admin.run`
    insert into authorisations.hand_backs (sequence, prefix, epoch, file_id, as_of, cards, holds, tokens, operator)
    values (1, ${RANGE}, 2, 'f', now(), 1, 0, 0, 'rosa')`;
  await rollBack();
  assert.equal(await modeNow(), 'relay 3');
});

test('a process killed at each named place leaves a consistent range, and the next run finishes and is audited', async () => {
  const { server } = await testServer();
  const environment = { RELEVO_HOME: cell.opened.home, RELEVO_DATABASE_URL: server.adminUrl };
  const words =
    `cutover flip --cell ${cell.name.tenant}/production --range ${RANGE} --operator ana --json`.split(' ');
  for (const point of FLIP_CRASH_POINTS) {
    await sweep(cell);
    await greenRange(cell, cutover);
    await approveTwice(cutover, 'cutover');
    entriesBefore = (await cell.admin.rows`select from audit.entries`).length;
    const killed = await runRelevo(words, { ...environment, RELEVO_CRASH_AT: point });
    assert.equal(killed.status, null, `${point}: ${killed.stdout}${killed.stderr}`);
    const happened = point === 'flip:committed';
    await until('PostgreSQL has rolled back', async () => (await waiting('granted')) === 0);
    assert.equal(await modeNow(), happened ? 'own 2' : 'relay 1', point);
    assert.deepEqual(await trail(), ['ana cutover.cutover_begun'], point);

    const again = await runRelevo(words, environment);
    assert.equal(again.status, 0, again.stdout + again.stderr);
    const { mode, epoch, recovered, approved_by: by } = JSON.parse(again.stdout);
    assert.deepEqual([mode, epoch, recovered, by], ['own', 2, happened, ['ana', 'bruno']], point);
    assert.equal(await modeNow(), 'own 2', point);
    const told = happened ? [] : ['ana cutover.cutover_begun'];
    assert.deepEqual(await trail(), ['ana cutover.cutover_begun', ...told, 'ana cutover.flipped'], point);
  }
});

test('whatever command looks at the range next completes the trail', async () => {
  await approveTwice(cutover, 'cutover');
  await cutOver();
  await cell.admin.run`update authorisations.flips set told_at = null`;
  await checkGate(cutover, RANGE);
  const flips = (await trail()).filter((entry) => entry.endsWith('flipped'));
  assert.equal(flips.length, 1, 'what was told already is not told twice');
});

test('messages in every process wait for a flip and see its mode afterwards', async () => {
  // What the pipeline does: share the lock, then read the mode.
  const decide = () =>
    db.pipeline(async (tx) => {
      shareRanges(tx, [RANGE]);
      return (await rangeNamed(tx, RANGE)).mode;
    });
  const order: string[] = [];
  let release = () => {};
  const held = cutover.db.transaction(async (tx) => {
    await holdRange(tx, RANGE);
    await new Promise<void>((resolve) => (release = resolve));
    await tx.run`update authorisations.ranges set mode = 'own', epoch = 2 where prefix = ${RANGE}`;
    order.push('flipped');
  });
  await until('the range is held', async () => (await waiting('granted')) > 0);
  const other = await cutoverOf(cell);
  const message = other.db.pipeline(async (tx) => {
    shareRanges(tx, [RANGE]);
    const { mode } = await rangeNamed(tx, RANGE);
    order.push(`decided ${mode}`);
  });
  await until('a message waits', async () => (await waiting('not granted')) === 1);
  release();
  await Promise.all([held, message]);
  assert.deepEqual(order, ['flipped', 'decided own']);
  assert.equal(await decide(), 'own');
});
