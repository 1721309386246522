import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { until } from '#tools/testing/until.ts';
import { LinkFailure } from './failures.ts';
import { Link, type LinkOptions } from './link.ts';
import { answerTo, approve, FakeProcessor, muteForCards } from './testing/fake-processor.ts';
import { HandClock } from './testing/hand-clock.ts';
import { framesOf } from './testing/raw-peer.ts';

/** A processor and a link to it, by a clock of their own. */
async function start(
  t: TestContext,
  options: Partial<LinkOptions> = {},
  answer: FakeProcessor['answer'] = approve,
) {
  const processor = await FakeProcessor.start();
  processor.answer = answer;
  const clock = new HandClock();
  const states: string[] = [];
  const late: { code: string | undefined; stan: string | undefined; waitedMs: number }[] = [];
  const link = new Link({
    host: '127.0.0.1',
    port: processor.port,
    framing: 'binary',
    budgetMs: 2_000,
    inFlightMax: 100,
    sweepMs: 5,
    now: clock.now,
    date: () => new Date('2026-11-24T10:20:30Z'),
    random: () => 1,
    onState: (state, why) => states.push(`${state}: ${why}`),
    onLate: ({ message }, waitedMs) => late.push({ code: message.get(39), stan: message.get(11), waitedMs }),
    ...options,
  });
  t.after(async () => {
    const closing = link.close(0);
    await processor.die();
    await closing;
  });
  return { processor, clock, link, states, late };
}

async function startUp(t: TestContext, options: Partial<LinkOptions> = {}) {
  const started = await start(t, options);
  await until('the link is up', () => started.link.up);
  return started;
}

const purchase = (stan: string, fields: Record<number, string> = {}): Message => {
  const message = new Message('0100')
    .set(3, '000000')
    .set(4, '000000001250')
    .set(7, '1124102030')
    .set(11, stan);
  for (const [field, value] of Object.entries({
    32: '123456',
    37: `RRN${stan}000`,
    41: 'TERM0001',
    ...fields,
  }))
    message.set(Number(field), value);
  return message;
};

const ask = (link: Link, message: Message, budgetMs?: number) =>
  link.request(pack(message), message, budgetMs);

/** Why a request failed, and whether it may have arrived. */
async function failureOf(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
    return 'answered';
  } catch (error) {
    assert.ok(error instanceof LinkFailure, String(error));
    return `${error.code}${error.sent ? ' after it was sent' : ''}`;
  }
}

suite('requests', () => {
  test('the link signs on and takes requests; the answer comes as understood and as sent', async (t) => {
    const { processor, link, states } = await startUp(t);
    const signOn = processor.heard[0];
    assert.deepEqual(
      [signOn.mti, signOn.get(7), signOn.get(11), signOn.get(70)],
      ['0800', '1124102030', '000001', '001'],
    );
    const { message, frame } = await ask(link, purchase('000007'));
    assert.deepEqual([message.mti, message.get(11), message.get(39)], ['0110', '000007', '00']);
    assert.deepEqual(frame, pack(message));
    assert.deepEqual(states, [
      `connecting: to 127.0.0.1:${processor.port}`,
      'signing_on: connected',
      'up: signed on',
    ]);
  });

  test('answers come in any order, each to its request', async (t) => {
    const { processor, link } = await startUp(t);
    processor.answer = () => null;
    const stans = Array.from({ length: 50 }, (_, i) => String(i + 1).padStart(6, '0'));
    const asked = stans.map((stan) => ask(link, purchase(stan)));
    await until('all have come', () => processor.heard.length === 51);
    for (const request of processor.heard.slice(1).reverse()) processor.say(approve(request));
    const answers = await Promise.all(asked);
    assert.deepEqual(
      answers.map(({ message }) => message.get(11)),
      stans,
    );
  });

  test('equal STANs are told apart by acquirer, RRN and terminal, and by message class', async (t) => {
    const { processor, link } = await startUp(t);
    processor.answer = () => null;
    const requests = [
      purchase('000001', { 41: 'TERM0001' }),
      purchase('000001', { 41: 'TERM0002' }),
      purchase('000001', { 37: 'RRNOTHER0000' }),
      purchase('000001', { 32: '654321' }),
      Object.assign(purchase('000001'), { mti: '0420' }),
    ];
    const asked = requests.map((request) => ask(link, request));
    await until('all have come', () => processor.heard.length === 6);
    for (const [i, request] of processor.heard.slice(1).entries()) processor.say(answerTo(request, `0${i}`));
    const answers = await Promise.all(asked);
    assert.deepEqual(
      answers.map(({ message }) => message.get(39)),
      ['00', '01', '02', '03', '04'],
    );
  });

  test('an answer need not have all that the request has', async (t) => {
    const { processor, link } = await startUp(t);
    processor.answer = (request) => answerTo(request, '51').delete(32).delete(37).delete(41);
    assert.equal((await ask(link, purchase('000001'))).message.get(39), '51');
  });

  test('a processor that is silent costs the budget, and its late answer is handed on', async (t) => {
    const { processor, clock, link, late } = await startUp(t);
    processor.answer = muteForCards;
    const failed = [failureOf(ask(link, purchase('000001'))), failureOf(ask(link, purchase('000002'), 500))];
    await until('both have come', () => processor.heard.length === 3);
    clock.advance(500);
    assert.equal(await failed[1], 'silent after it was sent');
    clock.advance(1_499);
    assert.equal(link.stats().silent, 1);
    clock.advance(1);
    assert.equal(await failed[0], 'silent after it was sent');
    clock.advance(300);
    processor.say(answerTo(processor.heard[1], '00'));
    await until('it is handed on', () => late.length === 1);
    assert.deepEqual(late, [{ code: '00', stan: '000001', waitedMs: 2_300 }]);
    assert.ok(link.up);
  });

  test('an answer to nothing is counted; a second answer too', async (t) => {
    const { processor, link, late } = await startUp(t);
    const answered = ask(link, purchase('000001'));
    await answered;
    processor.say(approve(processor.heard[1]));
    processor.say(approve(purchase('999999')));
    await until('both are counted', () => link.stats().strangers === 2);
    assert.deepEqual(late, []);
  });

  test('an answer that cannot be read fails its request at once where it can be told which', async (t) => {
    const { processor, link } = await startUp(t);
    processor.answer = muteForCards;
    const failed = failureOf(ask(link, purchase('000001')));
    await until('it has come', () => processor.heard.length === 2);
    const answer = pack(approve(processor.heard[1])).toString('latin1');
    processor.sayBytes(framesOf('what is this?', answer.slice(0, -1)));
    assert.equal(await failed, 'silent after it was sent');
    assert.equal(link.stats().unreadable, 2);
    processor.answer = approve;
    await ask(link, purchase('000002'));
  });

  test('no more requests are under way than may be', async (t) => {
    const { processor, clock, link } = await startUp(t, { inFlightMax: 2 });
    processor.answer = muteForCards;
    const asked = ['000001', '000002', '000003'].map((stan) => failureOf(ask(link, purchase(stan))));
    assert.equal(await asked[2], 'busy');
    await until('two have come', () => processor.heard.length === 3);
    clock.advance(2_000);
    assert.deepEqual(await Promise.all(asked), [
      'silent after it was sent',
      'silent after it was sent',
      'busy',
    ]);
    processor.answer = approve;
    await ask(link, purchase('000004'));
  });
});

suite('the connection', () => {
  test('a processor that does not read makes requests fail at once, not pile up', async (t) => {
    const { processor, clock, link, states } = await startUp(t, {
      budgetMs: 1_000_000,
      inFlightMax: 100_000,
      outgoingBytesMax: 100_000,
    });
    processor.stopReading();
    const large = purchase('000001', { 48: 'x'.repeat(999) });
    const codes = new Map<string, number>();
    const count = (code: string) => codes.set(code, (codes.get(code) ?? 0) + 1);
    const askMore = () => {
      for (let i = 0; i < 50; i++) void failureOf(ask(link, large)).then(count);
      return nextTurn();
    };
    await until('the link is busy', async () => {
      await askMore();
      return codes.has('busy');
    });
    assert.ok(link.up);
    // The system still takes something now and then, which counts as progress.
    await until('the connection is given up', async () => {
      await askMore();
      clock.advance(1_000);
      return states.length > 3;
    });
    assert.equal(states[3], 'waiting: the other side does not read what it is sent');
    await until('every request has failed', () => link.stats().inFlight === 0);
    codes.delete('down'); // of those asked after the end, if there were any
    assert.deepEqual([...codes.keys()].sort(), ['busy', 'down after it was sent']);
  });

  test('a processor that answers requests but no echo is not given up', async (t) => {
    const { processor, clock, link } = await startUp(t, { echoMs: 1_000 });
    processor.answer = (request) => (request.get(70) === '301' ? null : approve(request));
    clock.advance(1_000);
    await until('an echo has come', () => processor.heardCodes.includes('301'));
    clock.advance(500);
    await ask(link, purchase('000001'));
    clock.advance(1_500);
    await until('the echo is given up', () => link.stats().silent === 1);
    assert.ok(link.up);
  });

  test('a processor that is not there is tried again, ever more seldom', async (t) => {
    const { processor, clock, link, states } = await start(t, { backOff: { firstMs: 100, maxMs: 1_000 } });
    await processor.die();
    const triesIn = async (ms: number) => {
      const tries = () => states.filter((state) => state.startsWith('connecting')).length;
      const before = tries();
      for (let passed = 0; passed < ms; passed += 50) {
        await until('nothing is under way', () => link.state === 'waiting');
        clock.advance(50);
        await new Promise((resolve) => setTimeout(resolve, 12));
      }
      await until('nothing is under way', () => link.state === 'waiting');
      return tries() - before;
    };
    await until('it has failed', () => link.state === 'waiting');
    const early = await triesIn(1_500);
    const later = await triesIn(2_000);
    assert.ok(early >= 3 && early <= 5, `${early} tries at first`);
    assert.ok(later >= 1 && later <= 3, `${later} tries later`);
    assert.equal(await failureOf(ask(link, purchase('000001'))), 'down');
    await processor.open();
    clock.advance(1_000);
    await until('the link is up', () => link.up);
  });

  test('a processor that dies and comes back: requests fail, then are answered', async (t) => {
    const { processor, clock, link, states, late } = await startUp(t);
    processor.answer = () => null;
    const lost = failureOf(ask(link, purchase('000001')));
    await until('it has come', () => processor.heard.length === 2);
    await processor.die();
    assert.equal(await lost, 'down after it was sent');
    assert.equal(link.up, false);
    assert.equal(await failureOf(ask(link, purchase('000002'))), 'down');
    processor.answer = approve;
    await processor.open();
    clock.advance(100);
    await until('the link is up again', () => link.up);
    assert.deepEqual(states.slice(3), [
      'waiting: the other side ended it',
      `connecting: to 127.0.0.1:${processor.port}`,
      'signing_on: connected',
      'up: signed on',
    ]);
    await ask(link, purchase('000003'));
    // What the lost request came to may still be told, on another connection.
    processor.say(answerTo(purchase('000001'), '00'));
    await until('it is handed on', () => late.length === 1);
    assert.equal(late[0].stan, '000001');
  });

  test('a sign-on that is refused is tried again', async (t) => {
    const { processor, clock, link, states } = await start(t, {}, (request) => answerTo(request, '91'));
    await until('it is refused', () => link.state === 'waiting');
    assert.equal(states.at(-1), 'waiting: the sign-on was answered 91');
    assert.equal(await failureOf(ask(link, purchase('000001'))), 'down');
    await until('the connection is ended', () => processor.connections === 0);
    processor.answer = approve;
    clock.advance(100);
    await until('the link is up', () => link.up);
    assert.deepEqual(processor.heardCodes, ['001', '001']);
  });

  test('a sign-on that nobody answers is tried again', async (t) => {
    const { processor, clock, link, states } = await start(t, {}, () => null);
    await until('it has come', () => processor.heard.length === 1);
    clock.advance(2_000);
    await until('it is given up', () => link.state === 'waiting');
    assert.equal(states.at(-1), 'waiting: the sign-on was not answered');
    processor.answer = approve;
    clock.advance(100);
    await until('the link is up', () => link.up);
  });

  test('when nothing is heard an echo is sent; a link in use needs none', async (t) => {
    const { processor, clock, link } = await startUp(t, { echoMs: 1_000 });
    for (let i = 1; i <= 5; i++) {
      clock.advance(300);
      await ask(link, purchase(`00000${i}`));
    }
    assert.deepEqual(processor.heardCodes, ['001']);
    clock.advance(1_000);
    await until('an echo is answered', () => link.stats().answers === 7);
    clock.advance(1_000);
    await until('another has come', () => processor.heardCodes.length === 3);
    assert.deepEqual(processor.heardCodes, ['001', '301', '301']);
    assert.ok(link.up);
  });

  test('a processor that has gone without a word is noticed, by an echo when idle', async (t) => {
    const { processor, clock, link, states } = await startUp(t, { echoMs: 1_000 });
    processor.answer = () => null;
    clock.advance(1_000);
    await until('an echo has come', () => processor.heardCodes.includes('301'));
    clock.advance(2_000);
    await until('it is noticed', () => link.state === 'waiting');
    assert.equal(states.at(-1), 'waiting: an echo was not answered');
  });

  test('a processor that has gone without a word is noticed, by an echo after the first silent request', async (t) => {
    const { processor, clock, link } = await startUp(t);
    processor.answer = () => null;
    const failed = failureOf(ask(link, purchase('000001')));
    clock.advance(2_000);
    assert.equal(await failed, 'silent after it was sent');
    await until('an echo has come', () => processor.heardCodes.includes('301'));
    const second = failureOf(ask(link, purchase('000002')));
    clock.advance(2_000);
    await until('it is noticed', () => link.state === 'waiting');
    assert.match(await second, /^(silent|down) after it was sent$/);
  });

  test('the other side may ask for an echo, and may sign off', async (t) => {
    const { processor, clock, link, states } = await startUp(t);
    const echo = new Message('0800').set(7, '1124102031').set(11, '000099').set(70, '301');
    processor.say(echo);
    await until('it is answered', () => processor.heard.length === 2);
    const answer = processor.heard[1];
    assert.deepEqual(
      [answer.mti, answer.get(7), answer.get(11), answer.get(39), answer.get(70)],
      ['0810', '1124102031', '000099', '00', '301'],
    );
    processor.say(echo.set(70, '002'));
    await until('the link is down', () => link.state === 'waiting');
    assert.equal(states.at(-1), 'waiting: the other side signed off');
    await until('that is answered', () => processor.heard[2]?.get(39) === '00');
    clock.advance(100);
    await until('the link is up', () => link.up);
  });

  test('broken framing costs the connection, not the link', async (t) => {
    const { processor, clock, link, states } = await startUp(t, { frameBytesMax: 1_000 });
    processor.sayBytes(Buffer.alloc(2_000, 0xff));
    await until('the connection is given up', () => link.state === 'waiting');
    assert.match(states.at(-1) ?? '', /^waiting: /);
    clock.advance(100);
    await until('the link is up', () => link.up);
    await ask(link, purchase('000001'));
  });
});

suite('closing', () => {
  test('what is under way is answered, then comes the sign-off', async (t) => {
    const { processor, link, states } = await startUp(t);
    processor.answer = (request) => (request.mti === '0100' ? null : approve(request));
    const asked = ask(link, purchase('000001'));
    await until('it has come', () => processor.heard.length === 2);
    const closing = link.close();
    assert.equal(await failureOf(ask(link, purchase('000002'))), 'down');
    processor.say(approve(processor.heard[1]));
    assert.equal((await asked).message.get(39), '00');
    await closing;
    assert.deepEqual(processor.heardCodes, ['001', '002']);
    assert.deepEqual(states.slice(-2), ['closing: asked to close', 'closed: nothing is under way']);
    await until('the connection is ended', () => processor.connections === 0);
    assert.equal(await link.whenUp(1_000), false);
  });

  test('what is not answered in time fails', async (t) => {
    const { processor, clock, link } = await startUp(t);
    processor.answer = muteForCards;
    const failed = failureOf(ask(link, purchase('000001')));
    await until('it has come', () => processor.heard.length === 2);
    const closing = link.close(500);
    clock.advance(500);
    await closing;
    assert.equal(await failed, 'down after it was sent');
  });

  test('a link that never was up closes at once', async (t) => {
    const { processor, link } = await start(t, {}, () => null);
    await until('the sign-on has come', () => processor.heard.length === 1);
    await link.close();
    assert.equal(link.state, 'closed');
    assert.deepEqual(processor.heardCodes, ['001']);
  });
});
