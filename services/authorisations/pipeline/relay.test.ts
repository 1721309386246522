import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { forwardAdvices } from '#services/authorisations/advices/forward-advices.ts';
import { followUnfollowed } from '#services/authorisations/jobs/follow-unfollowed.ts';
import { resolveRelaying } from '#services/authorisations/jobs/resolve-relaying.ts';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell, type TestCell } from '#tools/testing/cell.ts';
import { EarlierProcessor, type EarlierVerdict } from '#tools/testing/earlier-processor.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { until } from '#tools/testing/until.ts';
import type { Range } from '#services/authorisations/store/ranges.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

interface Recorded {
  kind: string;
  state: string;
  by: string;
  code: string;
  approval: string | null;
  own: string | null;
  reason: string | null;
  due: boolean;
}

const APPROVES = (): EarlierVerdict => ({ responseCode: '00', approvalCode: 'EARL01' });

/** A cell whose range is relayed to an earlier processor of its own. */
async function relayed(
  t: Scope,
  cards: string,
  answer: (message: Message) => EarlierVerdict | null = APPROVES,
  range: Partial<Range> = {},
  onTrouble?: (error: unknown) => void,
) {
  const cell = await testCell(t);
  const processor = await EarlierProcessor.start(t, answer);
  await setTestRange(cell, { mode: 'relay', processor: processor.address, ...range });
  const { pipeline, processors, cell: entered } = await testPipeline(t, cell, {}, onTrouble);
  await MessagePlay.cards(cell, `full\n${cards}`, 'r');
  await until('the processor is reached', () => Object.values(processors.up()).every(Boolean));
  const opener = { cards: entered.clients.cards, vault: entered.vault, refreshVault: entered.refreshVault };
  return {
    cell,
    processor,
    pipeline,
    processors,
    db: entered.db,
    opener,
    play: new MessagePlay(cell, pipeline, 'r'),
  };
}

const recorded = ({ admin }: TestCell) => admin.rows<Recorded>`
  select kind, state, decided_by as by, response_code as code, approval_code as approval, own_code as own,
         own_reason as reason, advice_due_at is not null as due
    from authorisations.messages order by received_at, message_key`;

suite('a relayed range', () => {
  test('is answered as the earlier processor answers, to the last field, and followed', async (t) => {
    const { cell, play, processor } = await relayed(t, 'card c1 posted=100', () => ({
      responseCode: '00',
      approvalCode: 'EARL01',
      fields: { 44: 'X', 62: 'PRIVATE TO THE NETWORK' },
    }));
    await play.play(`
      authorise  a1 c1 60      -> 00
      balance    c1 posted=100 held=60
      clear      a1 55         -> 00
      balance    c1 posted=45 held=0
      authorise  a2 c1 500     -> 00
      reverse    a2 left=100   -> 00
      balance    c1 posted=45 held=100
      reverse    a2            -> 00
      pay        p1 c1 10      -> 00
      balance    c1 posted=35 held=0
    `);
    assert.equal(play.answer('a1').get(62), 'PRIVATE TO THE NETWORK');
    assert.equal(play.answer('a1').get(38), 'EARL01');
    assert.deepEqual(processor.mtis(), ['0100', '0220', '0100', '0400', '0400', '0200']);
    const [first, , second] = await recorded(cell);
    assert.deepEqual(first, {
      kind: 'authorisation',
      state: 'done',
      by: 'earlier',
      code: '00',
      approval: 'EARL01',
      own: '00',
      reason: 'approved',
      due: false,
    });
    assert.deepEqual([second.code, second.own, second.reason], ['00', '51', 'insufficient_funds']);
  });

  test('records where the shadow differs, and why', async (t) => {
    const codes: Record<string, string> = {
      '000000000010': '00',
      '000000000020': '05',
      '000000000030': '51',
    };
    const { cell, play } = await relayed(
      t,
      'card c1 posted=100\ncard c2 posted=100 status=lost\ncard c3 posted=100 daily_limit_minor=15',
      (message) => ({ responseCode: codes[message.get(4)!], approvalCode: 'EARL01' }),
    );
    await play.play(`
      authorise  a1 c1 10    -> 00
      authorise  a2 c1 20    -> 05
      authorise  a3 c1 30    -> 51
      authorise  a4 c2 10    -> 00
      authorise  a5 c3 10    -> 00
      authorise  a6 c3 10    -> 00
      balance    c1 posted=100 held=10
      balance    c3 posted=100 held=20
    `);
    assert.deepEqual(
      (await recorded(cell)).map(({ code, own, reason }) => `${code} ${own} ${reason}`),
      [
        '00 00 approved',
        '05 00 approved',
        '51 00 approved',
        '00 41 lost',
        '00 00 approved',
        '00 61 over_daily_amount',
      ],
    );
  });

  test('a repeat is answered from the record and asks nobody', async (t) => {
    const { play, processor } = await relayed(t, 'card c1 posted=100');
    await play.play(`
      authorise  a1 c1 60    -> 00
      repeat     a1          -> 00
      alter      a1 61       -> 94
      balance    c1 posted=100 held=60
    `);
    assert.equal(processor.received.length, 1);
  });

  test('the same message twice at once is asked once and answered twice', async (t) => {
    const { play, processor, cell } = await relayed(t, 'card c1 posted=100');
    processor.delayMs = 100;
    await play.play('prepare a1 c1 60');
    const answers = await Promise.all([1, 2, 3].map(() => play.send(play.message('a1'))));
    assert.equal(new Set(answers.map(String)).size, 1);
    assert.equal(processor.received.length, 1);
    await play.play('balance c1 posted=100 held=60');
    await assertLedgerLaws(cell);
  });

  test('two processes with the same message end it once, though one of them is not answered', async (t) => {
    let asked = 0;
    // Whoever asks first hears nothing; whoever asks second is answered when the first has given up.
    const { cell, processor, play } = await relayed(
      t,
      'card c1 posted=1000',
      () => (asked++ === 0 ? null : APPROVES()),
      { budgetMs: 400, standInAmountMinor: 500, standInCount: 5 },
    );
    const { pipeline, processors } = await testPipeline(t, cell);
    await until('the processor is reached', () => Object.values(processors.up()).every(Boolean));
    const other = new MessagePlay(cell, pipeline, 'r');
    await play.play('prepare a1 c1 60');
    const first = play.send(play.message('a1'));
    await until('it is asked', () => asked === 1);
    processor.delayMs = 390;
    const second = other.send(play.message('a1'));
    const [one, another] = (await Promise.all([first, second])).map((answer) => unpack(answer));
    assert.equal(one.get(39), '00');
    assert.equal(one.get(38), another.get(38));
    await play.play('balance c1 posted=1000 held=60');
  });

  test('a silent processor is stood in for within limits, and told later', async (t) => {
    const silent = () => null;
    const { cell, play, processor, db, processors, pipeline, opener } = await relayed(
      t,
      'card c1 posted=1000\ncard c2 posted=1000 status=lost',
      silent,
      { budgetMs: 100, standInAmountMinor: 50, standInCount: 2 },
    );
    await play.play(`
      authorise  a1 c1 50    -> 00
      authorise  a2 c1 51    -> 91
      authorise  a3 c2 10    -> 41
      authorise  a4 c1 10    -> 00
      authorise  a5 c1 10    -> 91
      authorise  a6 c9 10    -> 91
      reverse    a4          -> 00
      balance    c1 posted=1000 held=50
    `);
    assert.deepEqual(
      (await recorded(cell)).map(({ by, code, own, due }) => `${by} ${code} ${own} ${due}`),
      [
        'stand_in 00 00 true',
        'stand_in 91 00 true',
        'stand_in 41 41 true',
        'stand_in 00 00 true',
        'stand_in 91 00 true',
        'stand_in 91 14 true',
        'stand_in 00 00 true',
      ],
    );
    processor.received.length = 0;
    processor.answer = () => ({ responseCode: '00' });
    const acknowledged = await forwardAdvices(db, processors, pipeline.ranges, opener);
    assert.equal(acknowledged, 7);
    const ofCard = (card: string) =>
      processor.received
        .filter((message) => message.get(2) === play.pan(card))
        .map((message) => `${message.mti} ${Number(message.get(4))} ${message.get(39) ?? ''}`.trim());
    assert.deepEqual(ofCard('c1'), ['0120 50 00', '0420 51', '0120 10 00', '0420 10', '0420 10']);
    assert.deepEqual(ofCard('c2'), ['0420 10']);
    assert.deepEqual(ofCard('c9'), ['0420 10']);
    const advice = processor.received.find(({ mti }) => mti === '0120')!;
    assert.equal(advice.get(38), play.answer('a1').get(38));
    assert.equal(await forwardAdvices(db, processors, pipeline.ranges, opener), 0);
    assert.ok((await recorded(cell)).every(({ due }) => !due));
  });

  test('an advice that is not acknowledged is told again, as a repeat, and those behind it wait', async (t) => {
    const { play, processor, db, processors, pipeline, opener, cell } = await relayed(
      t,
      'card c1 posted=1000',
      () => null,
      { budgetMs: 100, standInAmountMinor: 50, standInCount: 5 },
    );
    await play.play(`
      authorise  a1 c1 10    -> 00
      authorise  a2 c1 20    -> 00
    `);
    processor.received.length = 0;
    assert.equal(await forwardAdvices(db, processors, pipeline.ranges, opener), 0);
    assert.deepEqual(processor.mtis(), ['0120']);
    processor.answer = () => ({ responseCode: '00' });
    const later = { now: () => Date.now() + 5_000 };
    assert.equal(await forwardAdvices(db, processors, pipeline.ranges, opener, later), 2);
    assert.deepEqual(
      processor.received.map((message) => `${message.mti} ${Number(message.get(4))}`),
      ['0120 10', '0121 10', '0120 20'],
    );
    await assertLedgerLaws(cell);
  });

  test('a card that is not here yet is followed when a migration has brought it', async (t) => {
    const { cell, play, db, pipeline, opener } = await relayed(t, 'card c1 posted=100');
    await play.play(`
      authorise  b1 new 60   -> 00
      clear      b1 50       -> 00
      authorise  b2 new 20   -> 00
      authorise  b3 nobody 5 -> 00
    `);
    const states = async () => (await recorded(cell)).map(({ state, own }) => `${state} ${own}`);
    assert.deepEqual(await states(), ['unfollowed 14', 'unfollowed null', 'unfollowed 14', 'unfollowed 14']);
    const { signal } = new AbortController();
    assert.equal(await followUnfollowed(db, pipeline, opener, signal), 0);
    // The file speaks of yesterday: what has happened since is not in it.
    const created = new Date(Date.now() - 24 * 3_600_000).toISOString().replace(/\.\d+/, '');
    await MessagePlay.cards(
      cell,
      `full file_id=later sequence=2 created_at=${created}\ncard new posted=100`,
      'r',
    );
    assert.equal(await followUnfollowed(db, pipeline, opener, signal), 3);
    await play.play('balance new posted=50 held=20');
    assert.deepEqual(await states(), ['done 14', 'done null', 'done 14', 'unfollowed 14']);
  });

  test('what a process left behind is asked again and entered', async (t) => {
    const { cell, play, processor, db, processors, pipeline, opener } = await relayed(
      t,
      'card c1 posted=100',
    );
    await play.play('authorise a1 c1 60 -> 00');
    // As if the process had died before it wrote the answer down.
    await cell.admin.run`
      update authorisations.messages
         set state = 'relaying', decided_by = null, response_code = null, answered_at = null, hold_id = null`;
    processor.received.length = 0;
    assert.equal(await resolveRelaying(db, pipeline, processors, opener, { olderThanMs: -1000 }), 1);
    assert.deepEqual(processor.mtis(), ['0101']);
    await play.play(`
      balance    c1 posted=100 held=60
      repeat     a1 -> 00
    `);
    assert.deepEqual(
      (await recorded(cell)).map(({ state, by }) => `${state} ${by}`),
      ['done earlier'],
    );
  });

  test('what others have in hand is not given up by a process whose clock is ahead', async (t) => {
    const { cell, play, processor, db, processors, pipeline, opener } = await relayed(
      t,
      'card c1 posted=100',
    );
    await play.play(`
      authorise  a1 c1 60 -> 00
      authorise  a2 c1 10 -> 00
    `);
    await cell.admin.run`
      update authorisations.messages
         set state = 'relaying', decided_by = null, response_code = null, answered_at = null, hold_id = null,
             received_at = case amount_minor when 10 then received_at - interval '11 minutes' else received_at end`;
    processor.received.length = 0;
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 24 * 3_600_000 });
    assert.equal(await resolveRelaying(db, pipeline, processors, opener, { olderThanMs: 600_000 }), 0);
    assert.deepEqual(processor.mtis(), []);
    assert.deepEqual(
      (await recorded(cell)).map(({ state, code }) => `${state} ${code}`),
      ['done 91', 'relaying null'],
    );
  });

  test('a reversal that overtakes the answer of its original leaves nothing held', async (t) => {
    const { play, processor } = await relayed(t, 'card c1 posted=100');
    processor.delayMs = 150;
    await play.play('prepare a1 c1 60');
    const original = play.send(play.message('a1'));
    await until('the original is under way', () => processor.received.length === 1);
    processor.delayMs = 0;
    await play.play('reverse a1 -> 00');
    await original;
    await play.play('balance c1 posted=100 held=0');
  });

  test('the earlier processor is asked and answers go back while the database is away', async (t) => {
    const troubles: unknown[] = [];
    const { play, cell, pipeline } = await relayed(t, 'card c1 posted=100', APPROVES, {}, (error) =>
      troubles.push(error),
    );
    await play.play('authorise a0 c1 1 -> 00');
    await cell.admin.run`alter table authorisations.messages rename to mislaid`;
    await play.play('prepare a1 c1 60');
    const started = performance.now();
    const answer = await play.send(play.message('a1'));
    assert.match(answer.toString('latin1'), /EARL0100/);
    assert.ok(performance.now() - started < 2_000);
    assert.equal(pipeline.counts.unrecorded, 1);
    await cell.admin.run`alter table authorisations.mislaid rename to messages`;
    await until('it is on record', () => pipeline.counts.unrecorded === 0);
    await play.play('balance c1 posted=100 held=61');
    assert.ok(troubles.length > 0);
  });
});
