import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { portfolioOf } from '../testing/portfolio.ts';
import { request } from '../testing/messages.ts';
import { frameCutter, framed } from '../wire/frames.ts';
import { Book } from './book.ts';
import { Control } from './control.ts';
import { Processor } from './processor.ts';
import { ProcessorServer } from './processor-server.ts';

interface Client {
  readonly socket: Socket;
  readonly answers: Message[];
  send(message: Buffer): void;
  /** Until so many answers have come, or the time is over. */
  wait(count: number, ms?: number): Promise<(string | undefined)[]>;
}

async function client(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  const answers: Message[] = [];
  const take = frameCutter('binary', (bytes) => answers.push(unpack(bytes)));
  socket.on('data', (piece) => take(piece));
  socket.on('error', () => {});
  return {
    socket,
    answers,
    send: (message) => void socket.write(framed('binary', message)),
    async wait(count, ms = 2000) {
      const deadline = performance.now() + ms;
      while (answers.length < count && performance.now() < deadline) await pause(5);
      return answers.map((answer) => answer.get(39));
    },
  };
}

async function stage(
  play: (server: ProcessorServer, one: Client, book: Book) => Promise<void>,
): Promise<void> {
  const book = Book.of(await portfolioOf([{ name: 'a', fields: { expiry: '9912' } }]));
  const server = await ProcessorServer.start({ processor: new Processor({ book }) });
  try {
    await play(server, await client(server.port), book);
  } finally {
    await server.close();
  }
}

let number = 0;
const purchase = () => request('0100', { card: 'a', amountMinor: 100, number: ++number, atMs: Date.now() });

test('answers come back, several at once, and a malformed message hurts no neighbour', () =>
  stage(async (server, one) => {
    const broken = pack(purchase());
    broken.write('AMOUNT', broken.indexOf('000000000100'), 'latin1');
    const both = [purchase(), purchase()].map((message) => framed('binary', pack(message)));
    one.socket.write(Buffer.concat([both[0], framed('binary', broken), both[1]]));
    assert.deepEqual((await one.wait(3)).sort(), ['00', '00', '30']);
    assert.equal(server.broken, 1);
  }));

test('bytes without a frame end their connection and no other', () =>
  stage(async (server, one) => {
    const other = await client(server.port);
    other.send(Buffer.from('what is this'));
    one.send(pack(purchase()));
    assert.deepEqual(await one.wait(1), ['00']);
  }));

test('latency delays, a slow time ends by itself', () =>
  stage(async (server, one) => {
    server.slow(100, { fixedMs: 250, jitterMs: 0 });
    const began = performance.now();
    one.send(pack(purchase()));
    await one.wait(1);
    assert(performance.now() - began >= 245);
    one.send(pack(purchase()));
    await one.wait(2);
    assert(performance.now() - began < 480, 'not slow any more');
  }));

test('mute enters what it does not answer, deaf does not', () =>
  stage(async (server, one, book) => {
    const { heldMinor: before } = book.accounts.get('acct-a')!;
    server.mute(10_000);
    one.send(pack(purchase()));
    assert.deepEqual(await one.wait(1, 100), []);
    assert.equal(book.accounts.get('acct-a')!.heldMinor, before + 100);
    await server.behave();
    server.deaf(10_000);
    one.send(pack(purchase()));
    assert.deepEqual(await one.wait(1, 100), []);
    assert.equal(book.accounts.get('acct-a')!.heldMinor, before + 100);
    await server.behave();
    one.send(pack(purchase()));
    assert.deepEqual(await one.wait(1), ['00']);
  }));

test('refusing cuts what is connected and comes back on the same port', () =>
  stage(async (server, one) => {
    const { port } = server;
    await server.refuse(200);
    if (!one.socket.destroyed) await once(one.socket, 'close');
    await assert.rejects(client(port));
    await pause(300);
    const again = await client(port);
    again.send(pack(purchase()));
    assert.deepEqual(await again.wait(1), ['00']);
  }));

test('control lines do what they say, and say what is wrong', () =>
  stage(async (server, one, book) => {
    const header = { tenant: 'andina', environment: 'demo', source: 'old-processor', sequence: 1 };
    const control = new Control({ server, ...header });
    assert.equal(await control.run('latency 5 1'), 'ok');
    assert.deepEqual(server.latency, { fixedMs: 5, jitterMs: 1 });
    assert.equal(await control.run('quirk 1 approved 05'), 'ok');
    one.send(pack(purchase()));
    assert.deepEqual(await one.wait(1), ['05']);
    assert.equal(await control.run('quirk off'), 'ok');
    assert.equal(await control.run('card card-a blocked'), 'ok');
    assert.equal(book.card('card-a')?.status, 'blocked');
    assert.match(await control.run('status'), /1 connections, 1 messages.*05=1/);
    assert.match(await control.run('help'), /refuse SECONDS/);
    assert.equal(await control.run(''), '');
    for (const wrong of [
      'dance',
      'latency',
      'latency x',
      'card nobody closed',
      'quirk 2 approved 05',
      'write some f',
    ])
      assert.match(await control.run(wrong), /^\? /, wrong);
    assert.match(await control.run('load /nowhere'), /^\? ENOENT/);
  }));
