import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { suite, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { until } from '#tools/testing/until.ts';
import { listen, type Listener, type ListenOptions, type Peer, type Trouble } from './listen.ts';
import { HandClock } from './testing/hand-clock.ts';
import { framesOf, RawPeer } from './testing/raw-peer.ts';

const BOUNDS = {
  host: '127.0.0.1',
  port: 0,
  framing: 'binary',
  connectionsMax: 100,
  inFlightMax: 100,
  idleMs: 60_000,
  frameBytesMax: 1_000,
  sweepMs: 5,
} as const;

/** A listener that answers each frame with itself, unless the test says otherwise. */
async function start(t: TestContext, options: Partial<ListenOptions> = {}) {
  const clock = new HandClock();
  const troubles: Trouble[] = [];
  const closed: string[] = [];
  const listener = await listen({
    ...BOUNDS,
    now: clock.now,
    onFrame: (frame, peer) => peer.send(frame),
    onTrouble: (trouble) => troubles.push(trouble),
    onClosed: (_, reason) => closed.push(reason),
    ...options,
  });
  const peers: RawPeer[] = [];
  t.after(async () => {
    for (const peer of peers) peer.destroy();
    await listener.close(0);
  });
  const connect = async () => {
    const peer = await RawPeer.connect(listener.port);
    peers.push(peer);
    return peer;
  };
  return { listener, clock, troubles, closed, connect };
}

/** Keeps frames instead of answering them. */
function keeping() {
  const kept: { text: string; peer: Peer }[] = [];
  const onFrame = (frame: Buffer, peer: Peer) => void kept.push({ text: frame.toString('latin1'), peer });
  const answer = (text: string) => {
    const at = kept.findIndex((each) => each.text === text);
    const [{ peer }] = kept.splice(at, 1);
    peer.send(Buffer.from(`re ${text}`));
  };
  return { kept, onFrame, answer };
}

const reasonOf = async (listener: Listener, closed: readonly string[]): Promise<string> => {
  await until('the connection is closed', () => closed.length > 0);
  assert.equal(listener.connections, 0);
  return closed[0];
};

suite('frames', () => {
  test('answers go out in any order, each to the connection that asked', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, listener } = await start(t, { onFrame });
    const [one, other] = [await connect(), await connect()];
    one.send('a', 'b', 'c');
    other.send('x', 'y');
    await until('all have come', () => kept.length === 5);
    assert.equal(listener.stats().inFlight, 5);
    for (const text of ['y', 'c', 'a', 'x', 'b']) answer(text);
    assert.deepEqual(await one.received(3), ['re c', 're a', 're b']);
    assert.deepEqual(await other.received(2), ['re y', 're x']);
    const { inFlight, framesIn, framesOut } = listener.stats();
    assert.deepEqual({ inFlight, framesIn, framesOut }, { inFlight: 0, framesIn: 5, framesOut: 5 });
  });

  test('both framings are spoken', async (t) => {
    const { connect } = await start(t, { framing: 'ascii' });
    const peer = await connect();
    const heard: Buffer[] = [];
    peer.socket.on('data', (piece) => heard.push(piece));
    peer.socket.write('0005hello0002');
    peer.socket.write('hi');
    await until('both are answered', () => Buffer.concat(heard).toString() === '0005hello0002hi');
  });

  test('what is cut at any place arrives whole and in order', async (t) => {
    const { connect } = await start(t, { inFlightMax: 3 });
    const peer = await connect();
    const text = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 300 });
    const cuts = fc.array(fc.nat(2_000), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 12 }), cuts, async (texts, places) => {
        const before = peer.texts.length;
        const bytes = framesOf(...texts);
        const ends = [...places.map((place) => place % bytes.length), bytes.length].sort((a, b) => a - b);
        let at = 0;
        for (const end of ends) {
          peer.socket.write(bytes.subarray(at, end));
          at = end;
          await nextTurn();
        }
        assert.deepEqual((await peer.received(before + texts.length)).slice(before), texts);
      }),
      runs(60),
    );
  });

  test('a hundred connections at once get their own answers', async (t) => {
    const { connect, listener } = await start(t, {
      inFlightMax: 4,
      onFrame: (frame, peer) => void setImmediate(() => peer.send(frame)),
    });
    const peers = await Promise.all(Array.from({ length: 100 }, connect));
    const expected = peers.map((_, i) => Array.from({ length: 50 }, (__, j) => `${i}/${j}`));
    peers.forEach((peer, i) => peer.send(...expected[i]));
    const received = await Promise.all(peers.map((peer) => peer.received(50)));
    assert.deepEqual(received, expected);
    assert.equal(listener.connections, 100);
    assert.ok(listener.stats().pauses > 0);
  });

  test('answers of one turn of the event loop travel together', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect } = await start(t, { onFrame });
    const peer = await connect();
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
    peer.send(...texts);
    await until('all have come', () => kept.length === 50);
    let pieces = 0;
    peer.socket.on('data', () => pieces++);
    for (const text of texts) answer(text);
    await peer.received(50);
    assert.equal(pieces, 1);
  });
});

suite('bounds', () => {
  test('one connection too many is ended in order; when there is room again, another is taken', async (t) => {
    const { connect, listener, troubles, closed } = await start(t, { connectionsMax: 2 });
    const [first] = [await connect(), await connect()];
    const third = await connect();
    third.send('anybody there?');
    assert.equal(await third.ended(), 'end');
    assert.deepEqual(
      troubles.map(({ reason }) => reason),
      ['refused'],
    );
    first.send('still here');
    await first.received(1);
    first.destroy();
    await reasonOfOne(closed);
    const fourth = await connect();
    fourth.send('hello');
    assert.deepEqual(await fourth.received(1), ['hello']);
    const { refused, accepted } = listener.stats();
    assert.deepEqual({ refused, accepted }, { refused: 1, accepted: 3 });
  });

  test('no more frames are taken than may be in flight, and none is lost', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, listener } = await start(t, { onFrame, inFlightMax: 3 });
    const [peer, neighbour] = [await connect(), await connect()];
    const texts = Array.from({ length: 20 }, (_, i) => `${i}`);
    peer.send(...texts);
    await until('some have come', () => kept.length === 3);
    neighbour.send('me too');
    await until('the neighbour has its turn', () => kept.length === 4);
    assert.deepEqual(
      kept.map(({ text }) => text),
      ['0', '1', '2', 'me too'],
    );
    for (const text of texts) {
      await until(`${text} has come`, () => kept.some((each) => each.text === text));
      assert.ok(kept.length <= 4);
      answer(text);
    }
    assert.deepEqual(
      await peer.received(20),
      texts.map((text) => `re ${text}`),
    );
    assert.equal(listener.stats().pauses > 0, true);
  });

  test('a frame that gets no answer makes room as well', async (t) => {
    const seen: string[] = [];
    const { connect } = await start(t, {
      inFlightMax: 1,
      onFrame: (frame, peer) => {
        seen.push(frame.toString());
        setImmediate(() => peer.leaveUnanswered());
      },
    });
    (await connect()).send('a', 'b', 'c');
    await until('all have come', () => seen.length === 3);
  });

  test('a connection whose frames nobody answers is given up', async (t) => {
    const { onFrame, kept } = keeping();
    const { connect, clock, listener, closed } = await start(t, {
      onFrame,
      inFlightMax: 1,
      stalledMs: 1_000,
    });
    const peer = await connect();
    peer.send('a', 'b');
    await until('one has come', () => kept.length === 1);
    clock.advance(1_000);
    assert.equal(await reasonOf(listener, closed), 'unanswered');
    kept[0].peer.send(Buffer.from('too late'));
    assert.equal(listener.stats().framesLost, 1);
  });

  test('slow answers are answers: a connection that waits its turn is not given up', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, clock, closed } = await start(t, { onFrame, inFlightMax: 1, stalledMs: 1_000 });
    const peer = await connect();
    const texts = ['a', 'b', 'c', 'd', 'e'];
    peer.send(...texts);
    for (const text of texts) {
      await until(`${text} has come`, () => kept.length === 1);
      clock.advance(900);
      await new Promise((resolve) => setTimeout(resolve, 15)); // a sweep or two
      answer(text);
    }
    assert.equal((await peer.received(5)).length, 5);
    assert.deepEqual(closed, []);
  });

  test('half a frame and no more ends that connection alone, after the answers under way', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, clock, closed } = await start(t, { onFrame, slowFrameMs: 1_000 });
    const [peer, neighbour] = [await connect(), await connect()];
    peer.socket.write(Buffer.concat([framesOf('whole'), framesOf('never finished').subarray(0, 7)]));
    await until('the whole one has come', () => kept.length === 1);
    for (let i = 0; i < 4; i++) {
      clock.advance(300);
      peer.socket.write('.'); // one byte now and then helps nobody
      neighbour.send(`${i}`);
      await until('the neighbour is heard', () => kept.length === 2 + i);
    }
    answer('whole');
    assert.deepEqual(await peer.received(1), ['re whole']);
    assert.equal(await peer.ended(), 'end');
    await reasonOfOne(closed);
    assert.deepEqual(closed, ['slow_frame']);
    answer('0');
    assert.deepEqual(await neighbour.received(1), ['re 0']);
  });

  test('a slow frame that is finished in time is a frame', async (t) => {
    const { connect, clock } = await start(t, { slowFrameMs: 1_000 });
    const peer = await connect();
    const bytes = framesOf('slow');
    peer.socket.write(bytes.subarray(0, 1));
    for (let i = 1; i < bytes.length; i++) {
      await nextTurn();
      clock.advance(100);
      peer.socket.write(bytes.subarray(i, i + 1));
    }
    assert.deepEqual(await peer.received(1), ['slow']);
    clock.advance(5_000);
    peer.send('later');
    assert.deepEqual(await peer.received(2), ['slow', 'later']);
  });

  test('a length that is none ends that connection alone; what came before it is answered', async (t) => {
    const { connect, closed, troubles } = await start(t, { framing: 'ascii' });
    const [peer, neighbour] = [await connect(), await connect()];
    const heard: Buffer[] = [];
    peer.socket.on('data', (piece) => heard.push(piece));
    peer.socket.write('0002okGET / HTTP/1.1\r\n\r\n');
    assert.equal(await peer.ended(), 'end');
    assert.equal(Buffer.concat(heard).toString(), '0002ok');
    await reasonOfOne(closed);
    assert.deepEqual(closed, ['broken_frame']);
    assert.deepEqual(
      troubles.map(({ reason }) => reason),
      ['broken_frame'],
    );
    neighbour.socket.write('0002ok');
    await until('the neighbour is answered', () => neighbour.socket.bytesRead === 6);
  });

  test('a frame may have so many bytes and not one more', async (t) => {
    const { connect, listener, closed } = await start(t, { frameBytesMax: 1_000 });
    const [good, bad] = [await connect(), await connect()];
    good.send('x'.repeat(1_000));
    await good.received(1);
    bad.send('x'.repeat(1_001));
    assert.equal(await bad.ended(), 'end');
    await reasonOfOne(closed);
    assert.equal(listener.stats().closedFor.broken_frame, 1);
    good.send('x');
    await good.received(2);
  });

  test('one that sends and never reads is slowed down, then given up; its neighbours are not', async (t) => {
    let taken = 0;
    const { connect, clock, closed, troubles, listener } = await start(t, {
      outgoingBytesMax: 100_000,
      stalledMs: 10_000,
      onFrame: (frame, peer) => {
        if (peer.id === 1) taken++;
        peer.send(Buffer.alloc(1_000, frame));
      },
    });
    const [peer, neighbour] = [await connect(), await connect()];
    peer.socket.pause();
    let isSending = true;
    const bytes = framesOf(...Array.from({ length: 500 }, () => 'tell me more'));
    const sendOn = (error?: Error | null) => void (isSending && !error && peer.socket.write(bytes, sendOn));
    sendOn();
    let before = -1;
    await until('nothing is read any more', async () => {
      const hasStopped = taken === before;
      before = taken;
      neighbour.send('and me?');
      await neighbour.received(neighbour.texts.length + 1);
      return hasStopped && listener.stats().pauses > 0 && taken > 500;
    });
    assert.deepEqual(closed, []);
    await until('it is given up', () => {
      clock.advance(1_000); // what the system had taken in may still move, and counts as progress
      return closed.length > 0;
    });
    isSending = false;
    assert.deepEqual(closed, ['not_reading']);
    assert.deepEqual(
      troubles.map(({ reason }) => reason),
      ['not_reading'],
    );
    const count = neighbour.texts.length;
    neighbour.send('and now?');
    await neighbour.received(count + 1);
  });

  test('more for one that does not read than may wait ends it at once', async (t) => {
    const { connect, closed } = await start(t, {
      outgoingBytesMax: 100_000,
      onFrame: (_, peer) => {
        for (let i = 0; i < 20_000; i++) peer.send(Buffer.alloc(1_000));
      },
    });
    const peer = await connect();
    peer.socket.pause();
    peer.send('everything');
    await reasonOfOne(closed);
    assert.deepEqual(closed, ['not_reading']);
  });

  test('one that says nothing for too long is ended in order', async (t) => {
    const { connect, clock, closed } = await start(t, { idleMs: 1_000 });
    const [quiet, talking] = [await connect(), await connect()];
    for (let i = 1; i <= 4; i++) {
      clock.advance(300);
      talking.send('hm');
      await talking.received(i);
    }
    assert.equal(await quiet.ended(), 'end');
    await reasonOfOne(closed);
    assert.deepEqual(closed, ['idle']);
    assert.equal(talking.ending, null);
  });

  test('an answer that no frame can hold costs one connection', async (t) => {
    const { connect, troubles } = await start(t, {
      onFrame: (frame, peer) => peer.send(frame.length === 1 ? Buffer.alloc(65_536) : frame),
    });
    const [peer, neighbour] = [await connect(), await connect()];
    peer.send('1');
    await peer.ended();
    await until('it is told', () => troubles.length === 1);
    assert.equal(troubles[0].reason, 'failed');
    neighbour.send('good');
    assert.deepEqual(await neighbour.received(1), ['good']);
  });

  test('when taking a frame fails, that connection ends and the others go on', async (t) => {
    const { connect, troubles } = await start(t, {
      onFrame: (frame, peer) => {
        if (frame.toString() === 'bad') throw new TypeError('a defect');
        peer.send(frame);
      },
    });
    const [peer, neighbour] = [await connect(), await connect()];
    peer.send('bad');
    await peer.ended();
    await until('it is told', () => troubles.length === 1);
    assert.equal(troubles[0].reason, 'failed');
    assert.ok(troubles[0].error instanceof TypeError);
    neighbour.send('good');
    assert.deepEqual(await neighbour.received(1), ['good']);
  });
});

suite('ends', () => {
  test('one that has said everything still gets its answers', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, listener, closed } = await start(t, { onFrame, inFlightMax: 2 });
    const peer = await connect();
    peer.send('a', 'b', 'c');
    peer.socket.end();
    for (const text of ['a', 'b', 'c']) {
      await until(`${text} has come`, () => kept.some((each) => each.text === text));
      answer(text);
    }
    assert.deepEqual(await peer.received(3), ['re a', 're b', 're c']);
    assert.equal(await peer.ended(), 'end');
    assert.equal(await reasonOf(listener, closed), 'peer');
  });

  test('an end in the middle of a frame is told apart', async (t) => {
    const { connect, listener, closed } = await start(t);
    const peer = await connect();
    peer.socket.end(framesOf('half').subarray(0, 3));
    assert.equal(await reasonOf(listener, closed), 'peer_cut');
  });

  test('a connection that breaks harms nobody; its answers are counted as lost', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, listener, closed } = await start(t, { onFrame });
    const peer = await connect();
    peer.send('a');
    await until('it has come', () => kept.length === 1);
    peer.socket.resetAndDestroy();
    assert.equal(await reasonOf(listener, closed), 'peer_cut');
    answer('a');
    assert.equal(listener.stats().framesLost, 1);
    const next = await connect();
    next.send('b');
    await until('it has come', () => kept.length === 1);
    answer('b');
    assert.deepEqual(await next.received(1), ['re b']);
  });

  test('a connection closed from here ends after the answers under way', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, listener, closed } = await start(t, { onFrame });
    const peer = await connect();
    peer.send('a', 'b');
    await until('both have come', () => kept.length === 2);
    kept[0].peer.close();
    peer.send('c');
    answer('b');
    await peer.received(1);
    answer('a');
    assert.equal(await peer.ended(), 'end');
    assert.deepEqual(peer.texts, ['re b', 're a']);
    assert.equal(await reasonOf(listener, closed), 'closed');
    assert.equal(kept.length, 0);
  });

  test('the listener closes when the answers under way have gone out', async (t) => {
    const { kept, onFrame, answer } = keeping();
    const { connect, listener } = await start(t, { onFrame });
    const [busy, idle] = [await connect(), await connect()];
    const { port } = listener;
    busy.send('a', 'b');
    await until('both have come', () => kept.length === 2);
    const closing = listener.close(5_000);
    assert.equal(await idle.ended(), 'end');
    await assert.rejects(RawPeer.connect(port), { code: 'ECONNREFUSED' });
    answer('a');
    answer('b');
    assert.equal(await busy.ended(), 'end');
    assert.deepEqual(busy.texts, ['re a', 're b']);
    await closing;
    assert.equal(listener.stats().closedFor.closed, 2);
  });

  test('the listener waits for answers for so long and no longer', async (t) => {
    const { kept, onFrame } = keeping();
    const { connect, listener, clock } = await start(t, { onFrame });
    const peer = await connect();
    peer.send('a');
    await until('it has come', () => kept.length === 1);
    const closing = listener.close(1_000);
    clock.advance(1_000);
    await closing;
    assert.equal(listener.connections, 0);
  });

  test('a port that is taken is told', async (t) => {
    const { listener } = await start(t);
    await assert.rejects(listen({ ...BOUNDS, port: listener.port, onFrame: () => {} }), {
      code: 'EADDRINUSE',
    });
  });
});

const reasonOfOne = (closed: readonly string[]) => until('one is closed', () => closed.length > 0);
