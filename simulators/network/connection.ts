import { connect, type Socket } from 'node:net';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { answerMti } from '../wire/classes.ts';
import type { Framing } from '#runtime/iso8583/framing.ts';
import { frameCutter, framed, headBytes, writeHead } from '../wire/frames.ts';
import { toField7 } from '../wire/times.ts';

/** Field 70 of an 0800. */
const SIGN_ON = '001';
const SIGN_OFF = '002';
const ECHO = '301';

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly framing: Framing;
  readonly echoEveryMs: number;
  /** For sign-on and echo. */
  readonly budgetMs: number;
  readonly now: () => number;
  /** STANs of network management. */
  readonly nextStan: () => number;
  readonly onAnswer: (message: Buffer) => void;
  /** After each piece that was received. */
  readonly onTurn: () => void;
  readonly onUp: () => void;
}

const RECONNECT_MS = { first: 50, most: 1000 };
const OUT_BYTES = 64 * 1024;
/** With so much unsent a connection is passed over. */
const BACKLOG_BYTES_MAX = 1024 * 1024;

/**
 * One connection to the host, which keeps itself up.
 *
 * - `connecting`: until the socket is there, and after a loss again
 * - `signing_on`: until the sign-on is answered
 * - `up`: takes messages; an echo now and then, and when it is not answered the connection is given up
 * - `closed`: for good
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #state: 'connecting' | 'signing_on' | 'up' | 'closed' = 'connecting';
  #socket: Socket | null = null;
  #out: Buffer = Buffer.allocUnsafeSlow(OUT_BYTES);
  #begun = 0;
  #used = 0;
  #retryMs = RECONNECT_MS.first;
  #timer: NodeJS.Timeout | null = null;
  /** The STAN of an 0800 that is not answered yet. */
  #asked = '';
  /** How often it came up. */
  sessions = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  get isCrowded(): boolean {
    return (this.#socket?.writableLength ?? 0) > BACKLOG_BYTES_MAX;
  }

  /** Has `write` put a message into the buffer, at an offset, and answer where it ends. It goes with `flush`. */
  add(bytesMax: number, write: (into: Buffer, at: number) => number): void {
    const { framing } = this.#options;
    const head = headBytes(framing);
    if (this.#used + head + bytesMax > this.#out.length) {
      this.flush();
      this.#out = Buffer.allocUnsafeSlow(OUT_BYTES);
      this.#begun = this.#used = 0;
    }
    const end = write(this.#out, this.#used + head);
    writeHead(framing, end - this.#used - head, this.#out, this.#used);
    this.#used = end;
  }

  /** Sends what was added in one write. The bytes before are the socket's now, so the next ones come after them. */
  flush(): void {
    if (this.#used === this.#begun) return;
    if (this.#socket?.writable) this.#socket.write(this.#out.subarray(this.#begun, this.#used));
    this.#begun = this.#used;
  }

  /** Breaks the connection as a network fault would. */
  cut(): void {
    this.#socket?.destroy();
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    const wasUp = this.isUp;
    this.#state = 'closed';
    if (this.#timer) clearTimeout(this.#timer);
    if (!socket || socket.destroyed) return;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    if (wasUp) {
      this.#manage(SIGN_OFF);
      setTimeout(() => socket.destroy(), Math.min(this.#options.budgetMs, SIGN_OFF_MS_MAX)).unref();
    } else socket.destroy();
    await closed;
  }

  #connect(): void {
    const { host, port, framing } = this.#options;
    const socket = connect({ host, port, noDelay: true });
    const take = frameCutter(framing, (message) => this.#take(message));
    this.#socket = socket;
    socket.on('connect', () => {
      this.#state = 'signing_on';
      this.#manage(SIGN_ON);
    });
    socket.on('data', (piece) => {
      if (!take(piece)) socket.destroy();
      this.#options.onTurn();
    });
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#lost());
  }

  #lost(): void {
    this.#begun = this.#used;
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#state === 'closed') return;
    this.#state = 'connecting';
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MS.most);
  }

  #take(message: Buffer): void {
    if (message.toString('latin1', 0, 2) !== '08') return this.#options.onAnswer(message);
    const managed = unpack(message);
    if (managed.mti.startsWith('080')) return this.#answer(managed);
    if (managed.get(11) !== this.#asked) return;
    this.#asked = '';
    if (this.#state === 'closed') this.#socket?.end();
    else if (this.#state === 'signing_on' && managed.get(39) === '00') this.#cameUp();
    else if (this.#state === 'signing_on') this.#socket?.destroy();
  }

  #cameUp(): void {
    this.#state = 'up';
    this.#retryMs = RECONNECT_MS.first;
    this.sessions++;
    this.#waitForEcho();
    this.#options.onUp();
  }

  #waitForEcho(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#manage(ECHO), this.#options.echoEveryMs).unref();
  }

  /** Sends an 0800 and gives the connection up when it stays unanswered. */
  #manage(what: string): void {
    const { now, nextStan, framing, budgetMs } = this.#options;
    this.#asked = String(nextStan()).padStart(6, '0');
    const message = new Message('0800').set(7, toField7(now())).set(11, this.#asked).set(70, what);
    this.#socket?.write(framed(framing, pack(message)));
    if (this.#timer) clearTimeout(this.#timer);
    const asked = this.#asked;
    this.#timer = setTimeout(() => {
      if (this.#asked === asked) this.#socket?.destroy();
      else if (this.isUp) this.#waitForEcho();
    }, budgetMs).unref();
  }

  /** The host may ask too whether somebody is there. */
  #answer(request: Message): void {
    const answer = new Message(answerMti(request.mti)).set(39, '00');
    for (const field of [7, 11, 70]) {
      const value = request.get(field);
      if (value !== undefined) answer.set(field, value);
    }
    this.#socket?.write(framed(this.#options.framing, pack(answer)));
  }
}

const SIGN_OFF_MS_MAX = 500;
