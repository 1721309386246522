import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { setRange } from '../ranges/set-range.ts';
import { checkGate, type GateReport } from './check-gate.ts';
import type { Direction } from './direction.ts';
import {
  addMessages,
  beat,
  closedBooks,
  cutoverOf,
  deadLetter,
  greenRange,
  issueCard,
  PROCESSOR,
  RANGE,
  sweep,
} from './test-cutover.ts';

const cell = await testCell();
const cutover = await cutoverOf(cell);

beforeEach(async () => {
  await sweep(cell);
  await greenRange(cell, cutover);
});

const red = ({ checks }: GateReport): string[] => checks.flatMap(({ ok, name }) => (ok ? [] : [name]));
const makeOwn = () => cell.admin.run`
  update authorisations.ranges set mode = 'own', epoch = 2, flipped_at = now() - interval '1 hour'`;

test('green: every check says what was found and needed, and advises nothing', async () => {
  for (const direction of ['cutover', 'rollback'] as const) {
    if (direction === 'rollback') await makeOwn();
    const gate = await checkGate(cutover, RANGE);
    assert.equal(gate.direction, direction);
    assert.deepEqual(red(gate), []);
    assert.equal(gate.green, true);
    for (const { name, found, needed, advice } of gate.checks) {
      assert.ok(found.length > 0 && needed.length > 0, name);
      assert.equal(advice, '', name);
    }
  }
});

/** What makes one check red and leaves every other green, and what is then said. */
const CASES: Record<string, { direction?: Direction; make: () => Promise<unknown>; found: RegExp }> = {
  'books_closed: the last file is not reconciled': {
    make: () => closedBooks(cell, RANGE, { reconciled: false }),
    found: /completed, books open$/,
  },
  'books_closed: no file has cards of the range': {
    make: () => cell.admin.run`update migrations.migrations set bin_ranges = '411111;555555'`,
    found: /^no file with cards of 424242$/,
  },
  'books_closed: a mock is no file': {
    make: async () => {
      await cell.admin.run`truncate migrations.migrations`;
      await closedBooks(cell, RANGE, { kind: 'mock' });
    },
    found: /^no file/,
  },
  'no_dead_letters: one waits': { make: () => deadLetter(cell), found: /^1$/ },
  'no_migration_under_way: of another range': {
    make: () =>
      closedBooks(cell, '555555', { state: 'working', reconciled: null }).then(
        () => cell.admin.run`update migrations.migrations set bin_ranges = '555555' where state = 'working'`,
      ),
    found: /^import \d+$/,
  },
  'shadow_messages: too few in the window': {
    make: () =>
      cell.admin.run`update authorisations.messages set received_at = now() - interval '61 minutes'`.then(
        () => addMessages(cell, { count: 9 }),
      ),
    found: /^9 in the last 60 minutes$/,
  },
  'shadow_messages: what came before the last flip says nothing': {
    make: () => cell.admin.run`update authorisations.ranges set flipped_at = now()`,
    found: /^0 in/,
  },
  'shadow_agreement: below the bar': {
    make: () =>
      addMessages(cell, { count: 3, responseCode: '00', ownCode: '51', ownReason: 'insufficient_funds' }),
    found: /^86\.9565 % \(20 of 23\)$/,
  },
  'followed_in_time: an answer is not entered': {
    make: () =>
      addMessages(cell, { count: 1, state: 'relaying', decidedBy: null, responseCode: null, secondsAgo: 7 }),
    found: /^1 under way, the oldest for 7(\.\d)? s$/,
  },
  'none_unfollowed: a card is not here yet': {
    make: () => addMessages(cell, { count: 2, state: 'unfollowed', secondsAgo: 1 }),
    found: /^2 unfollowed/,
  },
  'none_unrecorded: an answer left and is not written': {
    make: () => beat(cell, { unrecorded: 4 }),
    found: /^4$/,
  },
  'network_signed_on: one of two processes': {
    make: () => beat(cell, { process: 'b', networkSignedOn: false }),
    found: /^not signed on in b$/,
  },
  'processor_up: one of two processes': {
    make: () => beat(cell, { process: 'b', processorUp: false }),
    found: /^down in b$/,
  },
  'advices_delivered: one is stuck': {
    direction: 'rollback',
    make: () => addMessages(cell, { count: 1, decidedBy: 'own', isAdviceDue: true, secondsAgo: 9 }),
    found: /^1 due, the oldest for 9(\.\d)? s$/,
  },
  'no_cards_issued_here: one since the cutover': {
    direction: 'rollback',
    make: () => issueCard(cell),
    found: /^1$/,
  },
};

for (const [name, { direction = 'cutover', make, found }] of Object.entries(CASES))
  test(`red alone: ${name}`, async () => {
    if (direction === 'rollback') await makeOwn();
    await make();
    const gate = await checkGate(cutover, RANGE, direction);
    assert.deepEqual(red(gate), [name.split(':')[0]]);
    assert.equal(gate.green, false);
    const check = gate.checks.find(({ ok }) => !ok)!;
    assert.match(check.found, found);
    assert.ok(check.advice.length > 10);
  });

test('a process that is silent counts as not signed on and not linked, and is left out after a minute', async () => {
  await beat(cell, { process: 'b', secondsAgo: 6 });
  const gate = await checkGate(cutover, RANGE);
  assert.deepEqual(red(gate), ['processes_alive', 'network_signed_on', 'processor_up']);
  assert.match(
    gate.checks.find(({ name }) => name === 'processes_alive')!.found,
    /^b silent for 6(\.\d)? s$/,
  );
  await beat(cell, { process: 'b', secondsAgo: 61 });
  assert.equal((await checkGate(cutover, RANGE)).green, true);
  await cell.admin.run`truncate authorisations.peers`;
  assert.deepEqual(red(await checkGate(cutover, RANGE)), [
    'processes_alive',
    'network_signed_on',
    'processor_up',
  ]);
});

test('what does not make a gate red', async () => {
  // Under way within three budgets, advices as fresh, stand-in, reversals, another range, a card handed back.
  await addMessages(cell, {
    count: 5,
    state: 'relaying',
    decidedBy: null,
    responseCode: null,
    secondsAgo: 5,
  });
  await addMessages(cell, { count: 50, decidedBy: 'stand_in', responseCode: '00', ownCode: '51' });
  await addMessages(cell, { count: 50, kind: 'reversal', responseCode: '00', ownCode: '12' });
  await addMessages(cell, { count: 50, prefix: '42424299', responseCode: '00', ownCode: '51' });
  await addMessages(cell, { count: 1, prefix: '42424299', state: 'unfollowed' });
  const gate = await checkGate(cutover, RANGE);
  assert.deepEqual(red(gate), []);
  assert.equal(gate.facts.shadow.messages, 20);

  await makeOwn();
  await addMessages(cell, { count: 5, decidedBy: 'own', isAdviceDue: true, secondsAgo: 5 });
  await issueCard(cell, { issuedAt: new Date(Date.now() - 60_000) });
  await cell.admin.run`
    insert into authorisations.hand_backs (sequence, prefix, epoch, file_id, as_of, cards, holds, tokens, operator)
    values (1, ${RANGE}, 2, 'f', now() - interval '30 seconds', 1, 0, 0, 'rosa')`;
  assert.deepEqual(red(await checkGate(cutover, RANGE)), []);
  // A hand-back of the epoch before tells of nothing that was issued since.
  await cell.admin.run`update authorisations.hand_backs set epoch = 1`;
  assert.deepEqual(red(await checkGate(cutover, RANGE)), ['no_cards_issued_here']);
});

test('differences come by reason, the most frequent first', async () => {
  await addMessages(cell, { count: 2, responseCode: '05', ownCode: '00' });
  await addMessages(cell, { count: 3, ownCode: '51', ownReason: 'insufficient_funds' });
  const { facts } = await checkGate(cutover, RANGE);
  assert.deepEqual(facts.shadow.differences, [
    { earlierCode: '00', ownCode: '51', ownReason: 'insufficient_funds', messages: 3 },
    { earlierCode: '05', ownCode: '00', ownReason: 'approved', messages: 2 },
  ]);
  assert.deepEqual([facts.shadow.messages, facts.shadow.agreed], [25, 20]);
});

test('the direction is the one that is open; the other one is refused', async () => {
  await assert.rejects(checkGate(cutover, RANGE, 'rollback'), { code: 'nothing_to_roll_back' });
  await makeOwn();
  assert.equal((await checkGate(cutover, RANGE)).direction, 'rollback');
  await assert.rejects(checkGate(cutover, RANGE, 'cutover'), { code: 'nothing_to_cut_over' });
  await assert.rejects(checkGate(cutover, '555555'), { code: 'unknown_range' });
  await setRange(cutover, { prefix: '555555', mode: 'own' }, { operator: 'rosa' });
  await assert.rejects(checkGate(cutover, '555555'), { code: 'processor_missing' });
  assert.equal(
    (await cutover.db.rows`select from authorisations.ranges where processor = ${PROCESSOR}`).length,
    1,
  );
});
