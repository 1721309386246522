import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Message } from '#runtime/iso8583/message.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';

const cell = await testCell();
await setTestRange(cell);

/** Several serving processes on one cell, each with a pipeline of its own. */
async function processes(
  t: Parameters<typeof testPipeline>[0],
  count: number,
  cards: string,
  prefix: string,
) {
  await MessagePlay.cards(cell, `full\n${cards}`, prefix);
  return Promise.all(
    Array.from({ length: count }, async () => {
      const { pipeline } = await testPipeline(t, cell);
      return new MessagePlay(cell, pipeline, prefix);
    }),
  );
}

const codes = (answers: readonly Buffer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const code = unpack(answer).get(39)!;
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
};

/** So many requests of a card, made and not sent. */
async function prepared(play: MessagePlay, card: string, count: number, amount: number): Promise<Message[]> {
  const messages: Message[] = [];
  for (let i = 0; i < count; i++) {
    await play.play(`prepare ${card}-${i} ${card} ${amount}`);
    messages.push(play.message(`${card}-${i}`));
  }
  return messages;
}

suite('many messages at once', () => {
  test('a hot card is spent to its last cent and not further, in one process', async (t) => {
    const [play] = await processes(t, 1, 'card c1 posted=1005', 'hot');
    const messages = await prepared(play, 'c1', 150, 10);
    const answers = await Promise.all(messages.map((message) => play.send(message)));
    assert.deepEqual(codes(answers), { '00': 100, '51': 50 });
    await play.play('balance c1 posted=1005 held=1000');
  });

  test('a daily limit holds to the last cent, whatever of it funds decline', async (t) => {
    const [play] = await processes(t, 1, 'card c1 posted=400 daily_limit_minor=500', 'lim');
    const large = await prepared(play, 'c1', 5, 300);
    const small = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await play.play(`prepare s${i} c1 10`);
        return play.message(`s${i}`);
      }),
    );
    const answers = await Promise.all([...large, ...small].map((message) => play.send(message)));
    // One large one fits; of the others the funds decline those that the limit would not.
    assert.deepEqual(codes(answers), { '00': 11, '61': 4, '51': 30 });
    await play.play('balance c1 posted=400 held=400');
  });

  test('no message is decided twice by two processes, and both give the same answer', async (t) => {
    const [first, second] = await processes(t, 2, 'card c1 posted=100000\ncard c2 posted=55', 'two');
    const messages = [...(await prepared(first, 'c1', 60, 10)), ...(await prepared(first, 'c2', 20, 10))];
    const both = await Promise.all(
      messages.map((message) => Promise.all([first.send(message), second.send(message)])),
    );
    for (const [one, other] of both) assert.equal(String(one), String(other));
    assert.deepEqual(codes(both.map(([one]) => one)), { '00': 65, '51': 15 });
    await first.play('balance c1 posted=100000 held=600');
    await first.play('balance c2 posted=55 held=50');
    const [{ recorded }] = await cell.admin.rows<{ recorded: number }>`
      select count(*)::int4 as recorded from authorisations.messages
       where pan_masked = ${`${first.pan('c2').slice(0, 6)}******${first.pan('c2').slice(-4)}`}`;
    assert.equal(recorded, 20);
  });

  test('a message and its reversal in one moment leave nothing held', async (t) => {
    const [play] = await processes(t, 1, 'card c1 posted=1000', 'rev');
    const originals = await prepared(play, 'c1', 40, 10);
    const reversals = originals.map((original) => {
      const reversal = original.copy();
      reversal.mti = '0420';
      return reversal
        .set(11, String(Number(original.get(11)) + 500).padStart(6, '0'))
        .set(90, `0100${original.get(11)}${original.get(7)}00000123456${'0'.repeat(11)}`);
    });
    const pairs = originals.flatMap((original, i) =>
      i % 2 === 0 ? [original, reversals[i]] : [reversals[i], original],
    );
    const answers = await Promise.all(pairs.map((message) => play.send(message)));
    assert.deepEqual(codes(answers), { '00': 60, '12': 20 });
    await play.play('balance c1 posted=1000 held=0');
  });

  test('the same message about two cards at once is taken once', async (t) => {
    const [play] = await processes(t, 1, 'card c1 posted=100\ncard c2 posted=100', 'mix');
    await play.play('prepare a1 c1 10');
    const other = play.message('a1').copy().set(2, play.pan('c2'));
    const answers = await Promise.all([play.send(play.message('a1')), play.send(other)]);
    assert.deepEqual(codes(answers), { '00': 1, '94': 1 });
    await assertLedgerLaws(cell);
  });

  test('too many at once are turned away and not decided', async (t) => {
    await MessagePlay.cards(cell, 'full\ncard c1 posted=1000', 'many');
    const { pipeline } = await testPipeline(t, cell, { RELEVO_WAITING_MAX: 20 });
    const play = new MessagePlay(cell, pipeline, 'many');
    const messages = await prepared(play, 'c1', 50, 1);
    const answers = await Promise.all(messages.map((message) => play.send(message)));
    assert.deepEqual(codes(answers), { '00': 20, '96': 30 });
    await play.play('balance c1 posted=1000 held=20');
  });
});
