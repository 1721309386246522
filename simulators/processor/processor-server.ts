import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { pack } from '#runtime/iso8583/pack.ts';
import { Malformed, unpack } from '#runtime/iso8583/unpack.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { Draws } from '../wire/draws.ts';
import { type Framing, writeFrames } from '#runtime/iso8583/framing.ts';
import { malformedAnswer } from '#runtime/iso8583/malformed-answer.ts';
import { frameCutter } from '../wire/frames.ts';
import type { Processor } from './processor.ts';

/** How long an answer takes: a fixed part, and a random one on top. */
export interface Latency {
  readonly fixedMs: number;
  readonly jitterMs: number;
}

export interface ProcessorServerOptions {
  readonly processor: Processor;
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port?: number;
  readonly framing?: Framing;
  readonly latency?: Latency;
  readonly seed?: number;
  readonly now?: () => number;
}

const EXPIRY_EVERY_MS = 1000;

/**
 * The earlier processor on a port, with the ways in which a processor can be a bad neighbour. Each lasts for so many
 * milliseconds and ends by itself:
 *
 * - `slow`: answers take longer
 * - `mute`: messages take effect and are not answered, ever
 * - `deaf`: messages are read and neither answered nor entered
 * - `refuse`: connections are cut and no new ones taken
 */
export class ProcessorServer {
  readonly processor: Processor;
  latency: Latency;
  /** Bytes that were no message. */
  broken = 0;
  readonly #host: string;
  readonly #framing: Framing;
  readonly #now: () => number;
  readonly #draws: Draws;
  readonly #sockets = new Set<Socket>();
  readonly #expiry: NodeJS.Timeout;
  #server: Server | null = null;
  #port: number;
  #slow = { untilMs: 0, latency: NO_LATENCY };
  #muteUntilMs = 0;
  #deafUntilMs = 0;
  #reopening: NodeJS.Timeout | null = null;

  static async start(options: ProcessorServerOptions): Promise<ProcessorServer> {
    const server = new ProcessorServer(options);
    await server.#listen();
    return server;
  }

  private constructor(options: ProcessorServerOptions) {
    const {
      processor,
      host = '127.0.0.1',
      port = 0,
      framing = 'binary',
      latency = NO_LATENCY,
      seed = 1,
    } = options;
    this.processor = processor;
    this.latency = latency;
    this.#host = host;
    this.#port = port;
    this.#framing = framing;
    this.#now = options.now ?? Date.now;
    this.#draws = new Draws(seed);
    this.#expiry = setInterval(() => processor.book.expire(this.#now()), EXPIRY_EVERY_MS).unref();
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  slow(forMs: number, latency: Latency): void {
    this.#slow = { untilMs: this.#now() + forMs, latency };
  }

  mute(forMs: number): void {
    this.#muteUntilMs = this.#now() + forMs;
  }

  deaf(forMs: number): void {
    this.#deafUntilMs = this.#now() + forMs;
  }

  /** Cuts what is connected; new connections are taken at once. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async refuse(forMs: number): Promise<void> {
    await this.#stopListening();
    if (this.#reopening) clearTimeout(this.#reopening);
    this.#reopening = setTimeout(() => void this.accept(), forMs);
  }

  /** Ends a time of refusing early. */
  async accept(): Promise<void> {
    if (this.#reopening) clearTimeout(this.#reopening);
    this.#reopening = null;
    if (!this.#server) await this.#listen();
  }

  /** Ends every fault. */
  async behave(): Promise<void> {
    this.#slow.untilMs = this.#muteUntilMs = this.#deafUntilMs = 0;
    await this.accept();
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry);
    if (this.#reopening) clearTimeout(this.#reopening);
    await this.#stopListening();
  }

  async #listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
    server.listen(this.#port, this.#host);
    await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    this.#server = server;
  }

  async #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = server ? new Promise((resolve) => server.close(resolve)) : null;
    this.cutConnections();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const answers = new AnswerWriter(socket, this.#framing);
    const take = frameCutter(this.#framing, (bytes) => this.#take(bytes, answers));
    socket.on('data', (piece) => {
      if (take(piece)) return;
      this.broken++;
      socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #take(bytes: Buffer, answers: AnswerWriter): void {
    const now = this.#now();
    if (now < this.#deafUntilMs) return;
    const answer = this.#answerTo(bytes);
    if (!answer || now < this.#muteUntilMs) return;
    const { fixedMs, jitterMs } = now < this.#slow.untilMs ? this.#slow.latency : this.latency;
    const waitMs = fixedMs + (jitterMs > 0 ? this.#draws.share() * jitterMs : 0);
    if (waitMs < 1) answers.write(pack(answer));
    else setTimeout(() => answers.write(pack(answer)), waitMs);
  }

  #answerTo(bytes: Buffer): Message | null {
    try {
      return this.processor.answer(unpack(bytes));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.broken++;
      return malformedAnswer(error);
    }
  }
}

const NO_LATENCY: Latency = { fixedMs: 0, jitterMs: 0 };

/** Gathers the answers of one turn of the event loop into one write. */
class AnswerWriter {
  readonly #socket: Socket;
  readonly #framing: Framing;
  #waiting: Buffer[] = [];

  constructor(socket: Socket, framing: Framing) {
    this.#socket = socket;
    this.#framing = framing;
  }

  write(message: Buffer): void {
    if (this.#waiting.push(message) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    if (this.#socket.writable) this.#socket.write(writeFrames(this.#framing, this.#waiting));
    this.#waiting = [];
  }
}
