import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { approvalsOf } from '../cutover/approvals.ts';
import {
  addMessages,
  approveTwice,
  cutoverOf,
  greenRange,
  issueCard,
  PROCESSOR,
  RANGE,
  sweep,
} from '../cutover/test-cutover.ts';
import { listRanges, rangeNamed } from './list-ranges.ts';
import { removeRange } from './remove-range.ts';
import { setRange } from './set-range.ts';

const cell = await testCell();
const cutover = await cutoverOf(cell);
const { db } = cutover;
const operator = 'rosa';

beforeEach(() => sweep(cell));

const entries = async () => {
  const found = await cell.admin.rows<{ action: string; subject: string; details: string }>`
    select action, subject, details from audit.entries where action like 'range.%' order by seq desc limit 1`;
  return found.map(({ action, subject, details }) => [action, subject, JSON.parse(details)]);
};

test('a range is made, left as it is, and changed, each change with its entry', async () => {
  const made = await setRange(cutover, { prefix: RANGE, processor: PROCESSOR }, { operator });
  assert.deepEqual([made.outcome, made.range.mode, made.range.epoch], ['made', 'relay', 1]);
  assert.deepEqual((await entries())[0].slice(0, 2), ['range.made', RANGE]);

  const same = await setRange(cutover, { prefix: RANGE, budgetMs: '2000' }, { operator });
  assert.deepEqual([same.outcome, same.range], ['unchanged', made.range]);

  const changed = await setRange(
    cutover,
    { prefix: RANGE, budgetMs: '900', agreementBar: '0.99' },
    { operator },
  );
  assert.equal(changed.outcome, 'changed');
  assert.deepEqual(await entries(), [
    ['range.changed', RANGE, { budget_ms: '2000 -> 900', agreement_bar: '0.999 -> 0.99' }],
  ]);
  assert.deepEqual(await listRanges(db), [changed.range]);
  assert.deepEqual([changed.range.budgetMs, changed.range.agreementBar], [900, 0.99]);
});

test('a refused one leaves nothing behind', async () => {
  const before = await cell.admin.rows`select from audit.entries`;
  await assert.rejects(setRange(cutover, { prefix: RANGE }, { operator }), { code: 'processor_missing' });
  assert.deepEqual(await listRanges(db), []);
  assert.equal((await cell.admin.rows`select from audit.entries`).length, before.length);
});

test('of two that lie in each other and come at once, one is made', async () => {
  const ends = await Promise.allSettled(
    ['424242', '4242421', '42424212'].map((prefix) =>
      setRange(cutover, { prefix, mode: 'own' }, { operator }),
    ),
  );
  assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected']);
  assert.equal((await listRanges(db)).length, 1);
});

test('other terms make approvals void', async () => {
  await greenRange(cell, cutover);
  await approveTwice(cutover, 'cutover');
  const same = await setRange(cutover, { prefix: RANGE, agreementBar: '0.9' }, { operator });
  assert.equal(same.approvalsVoided, 0);
  const changed = await setRange(cutover, { prefix: RANGE, agreementBar: '0.1' }, { operator });
  assert.equal(changed.approvalsVoided, 2);
  assert.deepEqual(await approvalsOf(db, changed.range, 'cutover'), []);
});

test('a range is removed while nothing hangs on it', async () => {
  const make = () => setRange(cutover, { prefix: RANGE, mode: 'own' }, { operator });
  await make();
  await removeRange(cutover, RANGE, operator);
  assert.deepEqual(await listRanges(db), []);
  assert.deepEqual(await entries(), [['range.removed', RANGE, {}]]);
  await assert.rejects(removeRange(cutover, RANGE, operator), { code: 'unknown_range' });

  await make();
  await addMessages(cell, { count: 1 });
  await assert.rejects(removeRange(cutover, RANGE, operator), { code: 'range_in_use' });
  await cell.admin.run`truncate authorisations.messages`;
  await issueCard(cell);
  await assert.rejects(removeRange(cutover, RANGE, operator), { code: 'range_in_use' });
  assert.equal((await rangeNamed(db, RANGE)).prefix, RANGE);
});

test('an unknown range is told with those there are', async () => {
  await setRange(cutover, { prefix: RANGE, mode: 'own' }, { operator });
  await assert.rejects(rangeNamed(db, '555555'), { code: 'unknown_range', advice: `It has ${RANGE}.` });
  await assert.rejects(
    rangeNamed(db, '4242424242424242'),
    (error: Error) => !/4242424242/.test(error.message),
  );
});
