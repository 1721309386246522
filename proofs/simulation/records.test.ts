import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { postedByPurchase, recordsOf } from './records.ts';

test('what is on record of purchases is told with their holds and transfers, and without card numbers', async (t) => {
  const cell = await testCell(t);
  await setTestRange(cell);
  const { pipeline } = await testPipeline(t, cell);
  await MessagePlay.cards(cell, 'full\ncard c1 posted=1000', 'r');
  const play = new MessagePlay(cell, pipeline, 'r');
  await play.play(`
    authorise a1 c1 60   -> 00
    clear     a1 55      -> 00
    authorise a2 c1 20   -> 00
    reverse   a2 left=5  -> 00
    credit    a3 c1 7    -> 00
  `);
  const [{ account }] = await cell.admin.rows<{ account: string }>`
    select external_account_id as account from ledger.accounts where external_account_id is not null`;
  const [first, second, third] = ['a1', 'a2', 'a3'].map((name) => play.message(name).get(37)!);
  const posted = await postedByPurchase(cell.admin, account);
  assert.deepEqual(
    posted,
    new Map([
      [first, -55],
      [third, 7],
    ]),
  );
  const all = (await recordsOf(cell.admin, account)).join('\n');
  assert.match(all, new RegExp(`hold 37=${first} .*closed by clearing`));
  assert.match(all, new RegExp(`hold 37=${second} .* of 5 .* open`));
  assert.match(all, new RegExp(`transfer 37=${third} refund \\+7`));
  assert.ok(!all.includes(play.pan('c1')));
  const ofSecond = await recordsOf(cell.admin, account, [second]);
  assert.ok(
    ofSecond.some((line) => line.includes(`message 37=${second} authorisation 20 done by own code 00`)),
  );
  assert.ok(!ofSecond.some((line) => line.includes(first)));
});
