import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { followUnfollowed } from '#services/authorisations/jobs/follow-unfollowed.ts';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { EarlierProcessor } from '#tools/testing/earlier-processor.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { until } from '#tools/testing/until.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

/** A relayed range, and a card that a file brings after its first message. */
async function whileCardsCome(t: Scope) {
  const cell = await testCell(t);
  const processor = await EarlierProcessor.start(t, () => ({ responseCode: '00', approvalCode: 'EARL01' }));
  await setTestRange(cell, { mode: 'relay', processor: processor.address });
  const { pipeline, processors, cell: entered } = await testPipeline(t, cell);
  await MessagePlay.cards(cell, 'full\ncard c1 posted=100', 'u');
  await until('the processor is reached', () => Object.values(processors.up()).every(Boolean));
  const opener = { cards: entered.clients.cards, vault: entered.vault, refreshVault: entered.refreshVault };
  const { signal } = new AbortController();
  return {
    cell,
    play: new MessagePlay(cell, pipeline, 'u'),
    follow: () => followUnfollowed(entered.db, pipeline, opener, signal),
    async bringIn() {
      const created = new Date(Date.now() - 24 * 3_600_000).toISOString().replace(/\.\d+/, '');
      await MessagePlay.cards(
        cell,
        `full file_id=later sequence=2 created_at=${created}\ncard new posted=100`,
        'u',
      );
    },
  };
}

suite('messages that wait for their cards', () => {
  test('a reversal that comes with its card, before its original is followed, leaves nothing held', async (t) => {
    const { cell, play, follow, bringIn } = await whileCardsCome(t);
    await play.play('authorise b1 new 60 -> 00');
    await bringIn();
    await play.play('reverse b1 -> 00');
    assert.equal(await follow(), 1);
    await play.play('balance new posted=100 held=0');
    await assertLedgerLaws(cell);
  });

  test('a card whose account an import has not brought yet is not here yet', async (t) => {
    const { cell, play, follow, bringIn } = await whileCardsCome(t);
    await bringIn();
    const elsewhere = '00000000-0000-4000-8000-000000000001';
    const [{ id }] = await cell.admin.rows<{ id: string }>`
      select account_id as id from ledger.accounts where external_account_id like '%new%'`;
    const rename = async (from: string, to: string) => {
      await cell.admin.run`update ledger.accounts set account_id = ${to} where account_id = ${from}`;
      await cell.admin
        .run`update ledger.transfers set debit_account_id = ${to} where debit_account_id = ${from}`;
      await cell.admin
        .run`update ledger.transfers set credit_account_id = ${to} where credit_account_id = ${from}`;
    };
    await rename(id, elsewhere);
    await play.play('authorise b1 new 60 -> 00');
    const states = async () =>
      (await cell.admin.rows<{ state: string }>`select state from authorisations.messages`).map(
        ({ state }) => state,
      );
    assert.deepEqual(await states(), ['unfollowed']);
    assert.equal(await follow(), 1);
    assert.deepEqual(await states(), ['unfollowed']);
    await rename(elsewhere, id);
    assert.equal(await follow(), 1);
    await play.play('balance new posted=100 held=60');
    assert.deepEqual(await states(), ['done']);
  });
});
