import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Message } from '#runtime/iso8583/message.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell, type TestCell } from '#tools/testing/cell.ts';
import { EarlierProcessor } from '#tools/testing/earlier-processor.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { until } from '#tools/testing/until.ts';

/** The database refuses the hold of every message of this amount, as it would one with a value that no column takes. */
const REFUSED = 666;
const refuse = ({ admin }: TestCell) => admin.run`
  alter table ledger.holds add constraint refused check (amount_minor <> 666)`;

async function prepared(play: MessagePlay, amounts: readonly number[]): Promise<Message[]> {
  const messages: Message[] = [];
  for (const [i, amount] of amounts.entries()) {
    await play.play(`prepare m${i} c1 ${amount}`);
    messages.push(play.message(`m${i}`));
  }
  return messages;
}

const amountsWith = (refusedAt: readonly number[], count: number) =>
  Array.from({ length: count }, (_, i) => (refusedAt.includes(i) ? REFUSED : 10));

suite('a message that the database refuses', () => {
  for (const refusedAt of [[0], [99], [17, 18, 60]])
    test(`is answered 96 alone, the others of its batch as ever: ${refusedAt.join(', ')} of 100`, async (t) => {
      const cell = await testCell(t);
      await setTestRange(cell);
      const told: string[] = [];
      const { pipeline } = await testPipeline(t, cell, { RELEVO_LANES: 1 }, (_, what) => {
        if (what) told.push(what);
      });
      await MessagePlay.cards(cell, 'full\ncard c1 posted=100000', 'r');
      const play = new MessagePlay(cell, pipeline, 'r');
      const messages = await prepared(play, amountsWith(refusedAt, 100));
      await refuse(cell);
      const answers = await Promise.all(messages.map((message) => play.send(message)));
      const declined = answers.flatMap((answer, i) => (unpack(answer).get(39) === '00' ? [] : [i]));
      assert.deepEqual(declined, refusedAt);
      for (const i of refusedAt) assert.equal(unpack(answers[i]).get(39), '96');
      assert.equal(pipeline.counts.refused, refusedAt.length);
      assert.equal(told.length, refusedAt.length);
      for (const what of told)
        assert.match(
          what,
          /^authorisation of card \d{6}\*{6}\d{4}, STAN \d{6}, RRN \w+, .* answered 96: mend/,
        );
      await play.play(`balance c1 posted=100000 held=${(100 - refusedAt.length) * 10}`);
      await assertLedgerLaws(cell);
      // The lane goes on.
      await play.play('authorise after c1 10 -> 00');
      assert.equal(pipeline.waiting, 0);
    });

  test('gets the earlier processor’s answer in a relayed range, and stands in nobody’s way', async (t) => {
    const cell = await testCell(t);
    const processor = await EarlierProcessor.start(t, () => ({ responseCode: '00', approvalCode: 'EARL01' }));
    await setTestRange(cell, { mode: 'relay', processor: processor.address });
    const { pipeline, processors } = await testPipeline(t, cell, { RELEVO_LANES: 1 }, () => {});
    await MessagePlay.cards(cell, 'full\ncard c1 posted=100000', 'r');
    await until('the processor is reached', () => Object.values(processors.up()).every(Boolean));
    const play = new MessagePlay(cell, pipeline, 'r');
    const messages = await prepared(play, amountsWith([4], 20));
    await refuse(cell);
    const answers = await Promise.all(messages.map((message) => play.send(message)));
    for (const answer of answers) assert.equal(unpack(answer).get(39), '00');
    await pipeline.drained(5_000);
    assert.deepEqual([pipeline.counts.unrecorded, pipeline.counts.lost], [0, 1]);
    const states = await cell.admin.rows`
      select state, count(*)::int4 as rows from authorisations.messages group by state order by state`;
    assert.deepEqual(states, [
      { state: 'done', rows: 19 },
      { state: 'relaying', rows: 1 },
    ]);
  });
});
