import { connect } from 'node:net';
import type { Framing } from '#runtime/iso8583/framing.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { Malformed, unpack } from '#runtime/iso8583/unpack.ts';
import { isAnswer } from './awaited-answers.ts';
import { type BackOff, backOffMs } from './back-off.ts';
import { type CloseReason, CLOSE_REASONS } from './close-reason.ts';
import { Connection, noTraffic } from './connection.ts';
import { Exchange, type LinkAnswer } from './exchange.ts';
import { LinkBusy, LinkDown, LinkFailure } from './failures.ts';
import { ECHO, networkAnswer, networkRequest, nextStan, SIGN_OFF, SIGN_ON } from './network-management.ts';

export type { LinkAnswer };

export type LinkState = 'connecting' | 'signing_on' | 'up' | 'waiting' | 'closing' | 'closed';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly framing: Framing;
  /** How long a request waits for its answer; also a sign-on, an echo and a sign-off. */
  readonly budgetMs: number;
  /** Requests that wait for their answer at once. */
  readonly inFlightMax: number;
  /** When nothing has been heard for so long, an echo asks whether anybody is there; Infinity for one who cannot answer it. */
  readonly echoMs?: number;
  readonly connectMs?: number;
  readonly backOff?: BackOff;
  readonly frameBytesMax?: number;
  readonly outgoingBytesMax?: number;
  /** For how long, and of how many requests, a late answer is recognised. */
  readonly lateMs?: number;
  readonly lateMax?: number;
  /** How often it is looked for what takes too long: a budget may be exceeded by this much. */
  readonly sweepMs?: number;
  /** Milliseconds that never go back. */
  readonly now?: () => number;
  /** For field 7 of network management. */
  readonly date?: () => Date;
  readonly random?: () => number;
  readonly onState?: (state: LinkState, why: string) => void;
  /** An answer to a request that was given up `waitedMs` after it was sent, or whose connection was lost. */
  readonly onLate?: (answer: LinkAnswer, waitedMs: number) => void;
}

/** Since the link began, but for what is in flight now. */
export interface LinkStats extends Readonly<Exchange['counts']> {
  readonly connects: number;
  readonly inFlight: number;
}

/** A connection that lasted so long takes the failures before it off the back-off. */
const STEADY_MS = 5_000;
const SLOW_FRAME_MS = 10_000;
const STALLED_MS = 10_000;
const LEAVE_MS = 1_000;

/**
 * The connection to an earlier processor, kept up for as long as the link is open.
 *
 * - `connecting`: to `signing_on` when there is a connection, to `waiting` when there is none in time
 * - `signing_on`: an 0800 with 001 is under way. Answered 00, to `up`; refused or not answered, to `waiting`
 * - `up`: requests are taken. To `waiting` when the connection ends, an echo stays without answer, or the other side
 *   signs off
 * - `waiting`: to `connecting` after a time that grows with every failure
 * - `closing`: `close` was called, in any state; what is under way may still be answered, then comes the sign-off
 * - `closed`
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #now: () => number;
  readonly #exchange: Exchange;
  readonly #sweeping: NodeJS.Timeout;
  #state: LinkState = 'connecting';
  /** The connection that is used, and those that are still ending. */
  #connection: Connection | null = null;
  readonly #connections = new Set<Connection>();
  #failures = 0;
  #upAt = Infinity;
  /** When `connecting` has taken too long, or `waiting` is over. */
  #until = Infinity;
  #connects = 0;
  #isEchoing = false;
  #stan = 0;
  #closing: Promise<void> | null = null;
  #afterSweep: (() => void)[] = [];

  /** Begins to connect in the next turn of the event loop. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#exchange = new Exchange({
      now: this.#now,
      lateMs: options.lateMs ?? 120_000,
      lateMax: options.lateMax ?? 10_000,
      onLate: (answer, waitedMs) => options.onLate?.(answer, waitedMs),
    });
    this.#sweeping = setInterval(() => this.#sweep(), options.sweepMs ?? 20);
    setImmediate(() => {
      if (!this.#closing) this.#connect();
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Whether requests are taken. */
  get up(): boolean {
    return this.#state === 'up';
  }

  stats(): LinkStats {
    return { ...this.#exchange.counts, connects: this.#connects, inFlight: this.#exchange.inFlight };
  }

  /** Waits until requests are taken; false when that takes longer or the link is closed. */
  async whenUp(msMax: number): Promise<boolean> {
    const until = this.#now() + msMax;
    while (!this.up && !this.#closing && this.#now() < until) await this.#nextSweep();
    return this.up;
  }

  /**
   * Sends a request, packed in `frame`, and answers what comes back for it. `message` is the same request: by its
   * type and fields 7, 11, 32, 37 and 41 the answer is found. Rejects with a `LinkFailure`.
   */
  async request(frame: Buffer, message: Message, budgetMs = this.#options.budgetMs): Promise<LinkAnswer> {
    const connection = this.#connection;
    if (this.#state !== 'up' || !connection) {
      this.#exchange.counts.down++;
      throw new LinkDown(`The link is not up but ${this.#state}.`, { sent: false });
    }
    if (this.#exchange.inFlight >= this.#options.inFlightMax || connection.isBehind) {
      this.#exchange.counts.busy++;
      throw new LinkBusy('Too many requests are under way.');
    }
    return this.#exchange.ask(connection, message, frame, { budgetMs });
  }

  /** Requests under way may be answered for up to `graceMs`; then this side signs off and ends the connection. */
  close(graceMs = this.#options.budgetMs): Promise<void> {
    return (this.#closing ??= this.#close(graceMs));
  }

  #manage(connection: Connection, code: string): Promise<LinkAnswer> {
    this.#stan = nextStan(this.#stan);
    const message = networkRequest(code, this.#stan, this.#options.date?.() ?? new Date());
    const { budgetMs } = this.#options;
    return this.#exchange.ask(connection, message, pack(message), { budgetMs, isManagement: true });
  }

  #enter(state: LinkState, why: string): void {
    this.#state = state;
    this.#options.onState?.(state, why);
  }

  #connect(): void {
    const { host, port, framing, connectMs = 5_000 } = this.#options;
    const { frameBytesMax = 65_535, outgoingBytesMax = 1 << 20 } = this.#options;
    this.#until = this.#now() + connectMs;
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    const connection = new Connection({
      socket,
      framing,
      bounds: {
        frameBytesMax,
        inFlightMax: null,
        outgoingBytesMax,
        idleMs: Infinity,
        slowFrameMs: SLOW_FRAME_MS,
        stalledMs: STALLED_MS,
        leaveMs: LEAVE_MS,
      },
      now: this.#now,
      traffic: noTraffic(),
      onFrame: (frame) => this.#take(frame, connection),
      onClosed: (reason, error) => {
        this.#connections.delete(connection);
        this.#lost(connection, whyClosed(reason, error));
      },
    });
    socket.once('connect', () => void this.#signOn(connection));
    this.#connection = connection;
    this.#connections.add(connection);
    this.#enter('connecting', `to ${host}:${port}`);
  }

  async #signOn(connection: Connection): Promise<void> {
    if (this.#connection !== connection || this.#state !== 'connecting') return;
    this.#connects++;
    this.#enter('signing_on', 'connected');
    const code = await this.#codeOf(this.#manage(connection, SIGN_ON));
    if (code !== '00')
      return this.#drop(connection, `the sign-on was ${code ? `answered ${code}` : 'not answered'}`);
    if (this.#connection !== connection || this.#closing) return;
    this.#upAt = this.#now();
    this.#enter('up', 'signed on');
  }

  /** Asks whether anybody is there. The connection is given up when nothing at all is heard. */
  async #echo(connection: Connection): Promise<void> {
    if (this.#isEchoing) return;
    this.#isEchoing = true;
    const askedAt = this.#now();
    const code = await this.#codeOf(this.#manage(connection, ECHO));
    this.#isEchoing = false;
    if (code === null && connection.heardAt <= askedAt) this.#drop(connection, 'an echo was not answered');
  }

  /** Field 39 of an answer, if there was one. */
  async #codeOf(answer: Promise<LinkAnswer>): Promise<string | null> {
    try {
      return (await answer).message.get(39) ?? '';
    } catch (error) {
      if (error instanceof LinkFailure) return null;
      throw error;
    }
  }

  #drop(connection: Connection, why: string): void {
    connection.leave('closed');
    this.#lost(connection, why);
  }

  /** Comes once for every connection: when it is given up here, or when it has ended. */
  #lost(connection: Connection, why: string): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#exchange.failAll(why);
    if (this.#closing) return;
    const now = this.#now();
    if (now - this.#upAt >= STEADY_MS) this.#failures = 0;
    this.#upAt = Infinity;
    const { backOff = BACK_OFF, random = Math.random } = this.#options;
    this.#until = now + backOffMs(backOff, this.#failures++, random);
    this.#enter('waiting', why);
  }

  #take(frame: Buffer, connection: Connection): void {
    let message: Message;
    try {
      message = unpack(frame);
    } catch (error) {
      if (error instanceof Malformed) return this.#exchange.takeUnreadable(error);
      throw error;
    }
    if (isAnswer(message.mti)) this.#exchange.takeAnswer({ message, frame });
    else this.#takeRequest(message, connection);
  }

  /** The other side may sign on, echo and sign off as well. It asks nothing else here. */
  #takeRequest(message: Message, connection: Connection): void {
    if (!message.mti.startsWith('080')) return void this.#exchange.counts.strangers++;
    connection.send(pack(networkAnswer(message, '00')));
    if (message.get(70) === SIGN_OFF) this.#drop(connection, 'the other side signed off');
  }

  #sweep(): void {
    const now = this.#now();
    for (const connection of this.#connections) connection.sweep(now);
    const connection = this.#connection;
    // A processor may be slow with one request. One that has said nothing at all since may be gone without a word.
    const lastSilent = this.#exchange.expire(now);
    const isDoubted = lastSilent !== null && connection !== null && connection.heardAt <= lastSilent;
    if (this.#state === 'waiting') {
      if (now >= this.#until) this.#connect();
    } else if (this.#state === 'connecting') {
      if (now >= this.#until) connection?.cut('closed', new Error('there was no connection in time'));
    } else if (this.#state === 'up' && connection) {
      if (isDoubted || now - connection.heardAt >= (this.#options.echoMs ?? 30_000))
        void this.#echo(connection);
    }
    for (const goOn of this.#afterSweep.splice(0)) goOn();
  }

  #nextSweep(): Promise<void> {
    return new Promise((resolve) => this.#afterSweep.push(resolve));
  }

  async #close(graceMs: number): Promise<void> {
    const wasUp = this.up;
    this.#enter('closing', 'asked to close');
    const until = this.#now() + graceMs;
    while (wasUp && this.#exchange.inFlight > 0 && this.#now() < until) await this.#nextSweep();
    if (wasUp && this.#connection) await this.#codeOf(this.#manage(this.#connection, SIGN_OFF));
    this.#exchange.failAll('the link was closed');
    for (const connection of this.#connections)
      if (wasUp) connection.leave('closed');
      else connection.cut('closed');
    while (this.#connections.size > 0) await this.#nextSweep();
    clearInterval(this.#sweeping);
    this.#enter('closed', 'nothing is under way');
    for (const goOn of this.#afterSweep.splice(0)) goOn();
  }
}

const BACK_OFF: BackOff = { firstMs: 100, maxMs: 5_000 };

function whyClosed(reason: CloseReason, error: Error | undefined): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code ? `the connection failed with ${code}` : (error?.message ?? CLOSE_REASONS[reason]);
}
