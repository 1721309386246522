import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { framesOf, takeTexts } from './raw-peer.ts';

/** An earlier processor that does what a test tells it. */
export class FakeProcessor {
  port = 0;
  readonly heard: Message[] = [];
  /** Null says nothing. */
  answer: (request: Message) => Message | null = approve;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  static async start(): Promise<FakeProcessor> {
    const processor = new FakeProcessor();
    await processor.open();
    return processor;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Field 70 of each 0800 that came. */
  get heardCodes(): (string | undefined)[] {
    return this.heard.filter(({ mti }) => mti === '0800').map((message) => message.get(70));
  }

  /** Listens, on the same port as before. */
  async open(): Promise<void> {
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
  }

  /** Dies: every connection is cut, and none is taken. */
  async die(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Reads nothing more of what is sent to it. */
  stopReading(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  say(message: Message): void {
    this.sayBytes(framesOf(pack(message).toString('latin1')));
  }

  sayBytes(bytes: Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (piece) => {
      const taken = takeTexts(Buffer.concat([rest, piece]));
      rest = taken.rest;
      for (const text of taken.texts) {
        const request = unpack(Buffer.from(text, 'latin1'));
        this.heard.push(request);
        const answer = request.mti[2] === '0' || request.mti[2] === '2' ? this.answer(request) : null;
        if (answer) socket.write(framesOf(pack(answer).toString('latin1')));
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

const ECHOED_FIELDS = [2, 3, 4, 7, 11, 32, 37, 41, 49, 70];

export function answerTo(request: Message, responseCode: string): Message {
  const answer = new Message(`${request.mti.slice(0, 2)}${Number(request.mti[2]) + 1}0`);
  for (const field of ECHOED_FIELDS) {
    const value = request.get(field);
    if (value !== undefined) answer.set(field, value);
  }
  return answer.set(39, responseCode);
}

export const approve = (request: Message): Message => answerTo(request, '00');

/** Answers network management and is silent about everything else. */
export const muteForCards = (request: Message): Message | null =>
  request.mti === '0800' ? approve(request) : null;
