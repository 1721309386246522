import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { addMessages, sweep } from '../cutover/test-cutover.ts';
import { followMessages, isDifference, latestMessages } from './tail.ts';

const cell = await testCell();
const reporting = cell.opened.connect('reporting', 1);
const all = { range: null, limit: 50 };

beforeEach(() => sweep(cell));

test('the latest messages, the latest at the end, of one range or all', async () => {
  for (const secondsAgo of [1, 7_200, 90, 3]) await addMessages(cell, { count: 1, secondsAgo });
  await addMessages(cell, { count: 1, secondsAgo: 2, prefix: '555555' });
  const ages = async (filter: { range: string | null; limit: number }) =>
    (await latestMessages(reporting, filter)).map(({ receivedAt }) =>
      Math.round((Date.now() - receivedAt.getTime()) / 1000),
    );
  assert.deepEqual(await ages(all), [7_200, 90, 3, 2, 1]);
  assert.deepEqual(await ages({ range: null, limit: 2 }), [2, 1]);
  assert.deepEqual(await ages({ range: '555555', limit: 50 }), [2]);
  assert.deepEqual(await ages({ range: '666666', limit: 50 }), []);
});

test('what waits for its answer is not shown yet', async () => {
  await addMessages(cell, { count: 1, state: 'relaying', decidedBy: null, responseCode: null });
  await cell.admin.run`update authorisations.messages set answered_at = null`;
  assert.deepEqual(await latestMessages(reporting, all), []);
});

test('a difference is one where both sides decided, and otherwise', async () => {
  await addMessages(cell, { count: 1, secondsAgo: 9, ownCode: '51' });
  await addMessages(cell, { count: 1, secondsAgo: 8 });
  await addMessages(cell, { count: 1, secondsAgo: 7, ownCode: '51', decidedBy: 'stand_in' });
  await addMessages(cell, { count: 1, secondsAgo: 6, ownCode: '12', kind: 'reversal' });
  const latest = await latestMessages(reporting, all);
  assert.deepEqual(latest.map(isDifference), [true, false, false, false]);
  assert.ok(latest.every(({ panMasked }) => /^\d{6}\*{6}\d{4}$/.test(panMasked)));
});

test('following tells each message once, also one that is recorded late', async () => {
  await addMessages(cell, { count: 3, secondsAgo: 5 });
  const latest = await latestMessages(reporting, all);
  const next = await followMessages(reporting, { ...all, latest });
  assert.deepEqual(await next(), { messages: [], leftOut: 0 });
  await addMessages(cell, { count: 2, secondsAgo: 1 });
  assert.equal((await next()).messages.length, 2);
  // Answered before those two, recorded after them.
  await addMessages(cell, { count: 1, secondsAgo: 2 });
  assert.equal((await next()).messages.length, 1);
  assert.deepEqual(await next(), { messages: [], leftOut: 0 });
});

test('of more than the limit the latest are told, and how many were left out', async () => {
  const next = await followMessages(reporting, { range: null, limit: 10, latest: [] });
  await addMessages(cell, { count: 25, secondsAgo: -1 });
  const { messages, leftOut } = await next();
  assert.deepEqual([messages.length, leftOut], [10, 15]);
  assert.deepEqual(await next(), { messages: [], leftOut: 0 });
});
