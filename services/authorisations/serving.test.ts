import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { FrameReader, writeFrames } from '#runtime/iso8583/framing.ts';
import { Link } from '#runtime/iso8583/link/link.ts';
import { networkRequest } from '#runtime/iso8583/link/network-management.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { authorisationCell, setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { until } from '#tools/testing/until.ts';
import { Serving } from './main.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

const cell = await testCell();
await setTestRange(cell);
await MessagePlay.cards(cell, 'full\ncard c1 posted=1000\ncard c2 posted=1000', 's');

async function serve(t: Scope, name: string, now?: () => number): Promise<Serving> {
  const serving = await Serving.begin(await authorisationCell(cell), {
    process: name,
    host: '127.0.0.1',
    port: 0,
    framing: 'binary',
    now,
  });
  t.after(() => serving.close());
  return serving;
}

function network(t: Scope, { port }: Serving): Link {
  const link = new Link({
    host: '127.0.0.1',
    port: port!,
    framing: 'binary',
    budgetMs: 5_000,
    inFlightMax: 1_000,
  });
  t.after(() => link.close());
  return link;
}

/** Messages for the door, made as elsewhere and not sent. */
async function maker(t: Scope): Promise<MessagePlay> {
  const { pipeline } = await testPipeline(t, cell);
  return new MessagePlay(cell, pipeline, 's');
}

const heartbeat = async (name: string) => {
  const [beat] = await cell.admin.rows<{ signedOn: boolean; answered: bigint; p99: number | null }>`
    select network_signed_on as "signedOn", answered, p99_ms as p99 from authorisations.peers where process = ${name}`;
  return beat;
};

/** A connection that writes what it likes. */
async function raw(t: Scope, { port }: Serving) {
  const socket = connect(port!, '127.0.0.1');
  await once(socket, 'connect');
  t.after(async () => void socket.destroy());
  const reader = new FrameReader('binary', 9_000);
  const frames: Message[] = [];
  socket.on('data', (piece) => {
    for (const frame of reader.read(piece)) frames.push(unpack(frame));
  });
  return {
    frames,
    send: (...messages: (Message | Buffer)[]) =>
      socket.write(
        writeFrames(
          'binary',
          messages.map((each) => (Buffer.isBuffer(each) ? each : pack(each))),
        ),
      ),
  };
}

suite('a serving process', () => {
  test('takes a sign-on, answers messages, and tells of both in its heartbeat', async (t) => {
    const serving = await serve(t, 'first');
    const play = await maker(t);
    const link = network(t, serving);
    assert.ok(await link.whenUp(2_000));
    await play.play('prepare a1 c1 10');
    const { message } = await link.request(pack(play.message('a1')), play.message('a1'));
    assert.deepEqual([message.mti, message.get(39), message.get(38)?.length], ['0110', '00', 6]);
    await until('the heartbeat tells', async () => (await heartbeat('first'))?.answered === 1n);
    const beat = await heartbeat('first');
    assert.equal(beat.signedOn, true);
    assert.ok(beat.p99! < 1_000);
    await link.close();
    await until('the network has signed off', async () => !(await heartbeat('first')).signedOn);
    await serving.close();
    assert.equal(await heartbeat('first'), undefined, 'whoever ends in order is not missed');
  });

  test('answers what cannot be understood with 30 and goes on; what is no request gets no answer', async (t) => {
    const serving = await serve(t, 'second');
    const play = await maker(t);
    await play.play('prepare a1 c1 10\nprepare a2 c1 10\nprepare a3 c1 10');
    const wrongAmount = play.message('a1');
    const bytes = pack(wrongAmount);
    bytes.write('X', bytes.indexOf(wrongAmount.get(4)!) + 5, 'latin1');
    const noCurrency = play.message('a2').copy().delete(49);
    const anAnswer = play.message('a3').copy();
    anAnswer.mti = '0110';
    const unknown = play.message('a3').copy();
    unknown.mti = '0600';
    const { frames, send } = await raw(t, serving);
    send(bytes, noCurrency, anAnswer, unknown, Buffer.from('nonsense'), networkRequest('301', 7, new Date()));
    send(play.message('a3'));
    await until('all is answered', () => frames.length === 5);
    const told = frames.map(({ mti }) => mti).sort();
    assert.deepEqual(told, ['0110', '0110', '0110', '0610', '0810']);
    assert.deepEqual(frames.map((frame) => frame.get(39)).sort(), ['00', '00', '30', '30', '30']);
    assert.equal(serving.door!.malformed, 5);
  });

  test('answers what is under way before it ends', async (t) => {
    const serving = await serve(t, 'third');
    const play = await maker(t);
    const link = network(t, serving);
    await link.whenUp(2_000);
    const names = Array.from({ length: 200 }, (_, i) => `m${i}`);
    await play.play(names.map((name) => `prepare ${name} c2 1`).join('\n'));
    const answers = names.map((name) => link.request(pack(play.message(name)), play.message(name)));
    await until('messages are under way', () => serving.pipeline.waiting > 0);
    await serving.close();
    const codes = await Promise.all(
      answers.map((answer) => answer.then(({ message }) => message.get(39), String)),
    );
    const [{ approved }] = await cell.admin.rows<{ approved: number }>`
      select count(*)::int4 as approved from authorisations.messages where amount_minor = 1 and response_code = '00'`;
    assert.equal(
      codes.filter((code) => code === '00').length,
      approved,
      'all that was approved was answered',
    );
    assert.ok(approved > 0);
  });

  test('reads the year of a message by the time of the cell, whatever year its own clock shows', async (t) => {
    const serving = await serve(t, 'of 1970', () => Date.now() % 1_000_000);
    const play = await maker(t);
    const link = network(t, serving);
    await link.whenUp(2_000);
    await play.play('prepare y1 c2 3 11=777777');
    const { message } = await link.request(pack(play.message('y1')), play.message('y1'));
    assert.equal(message.get(39), '00');
    assert.deepEqual(
      await cell.admin.rows`
        select abs(extract(epoch from moved_at - now())) < 3600 as "movedToday"
          from authorisations.messages where amount_minor = 3`,
      [{ movedToday: true }],
    );
    assert.ok(serving.isReady);
  });

  test('releases holds that nobody cleared in time', async (t) => {
    await cell.admin.run`
      update ledger.holds set expires_at = now() - interval '1 hour' where closed_at is null`;
    await serve(t, 'fourth');
    await until('nothing is held any more', async () => {
      const [{ held }] = await cell.admin.rows<{ held: string }>`
        select sum(held_minor)::text as held from ledger.accounts`;
      return held === '0';
    });
  });
});
