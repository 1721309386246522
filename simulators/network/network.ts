import { setTimeout as pause } from 'node:timers/promises';
import { PassingMap } from '#runtime/passing-map.ts';
import { Refusal } from '#runtime/refusal.ts';
import { answerMti } from '../wire/classes.ts';
import type { Framing } from '#runtime/iso8583/framing.ts';
import { toField7 } from '../wire/times.ts';
import { readAnswer } from './answer.ts';
import type { CardSet } from './cards.ts';
import { Connection } from './connection.ts';
import type { Exchange } from './exchange.ts';
import { MessageWriter } from './message-writer.ts';
import { DEFAULT_MIX, type Mix } from './mix.ts';
import { Story } from './story.ts';
import { type PhaseReport, PhaseTally } from './tally.ts';

export interface NetworkOptions {
  readonly port: number;
  readonly host?: string;
  readonly framing?: Framing;
  readonly connections?: number;
  readonly cards: CardSet;
  readonly seed?: number;
  readonly mix?: Mix;
  /** How long an answer may take before the message is repeated. */
  readonly budgetMs?: number;
  /** A request is repeated so often, and then reversed. */
  readonly repeatsMax?: number;
  /** Advices and reversals have to arrive, so they are repeated longer. */
  readonly adviceRepeatsMax?: number;
  readonly followAfterMs?: readonly [min: number, max: number];
  readonly hotCards?: number;
  readonly echoEveryMs?: number;
  /** How long `signOn` waits. */
  readonly signOnMs?: number;
  /** The clock of field 7. */
  readonly now?: () => number;
  /** Four characters with which all RRNs begin; by default they come from the clock. */
  readonly rrnPrefix?: string;
  /** Called at the first answer of each message. */
  readonly onAnswered?: (exchange: Exchange) => void;
  /** Called when a message was repeated in vain. Its answer may still come; then `onAnswered` is called too. */
  readonly onGivenUp?: (exchange: Exchange) => void;
}

/**
 * How fast messages go: so many a second whatever the answers do (an open loop, as a real network is), or so many
 * under way at once, each answer letting the next one go (a closed loop, which finds out what a system can do).
 */
export type Pace = { readonly rate: number } | { readonly inFlight: number };

/** So many at most wait for answers; beyond it messages are not sent but counted as `shed`. */
const OPEN_MAX = 200_000;
/** What a tick that came late may catch up at once. */
const BURST_MAX = 4000;

/**
 * The card network: sends messages at a steady pace over several connections, and keeps book of the answers. A
 * message that is not answered within its budget is repeated, its last digit telling so; a request that stays
 * unanswered is reversed, for its outcome is not known.
 */
export class Network {
  readonly #options: Required<Pick<NetworkOptions, 'budgetMs' | 'repeatsMax' | 'adviceRepeatsMax' | 'now'>> &
    NetworkOptions;
  readonly #connections: Connection[];
  readonly #story: Story;
  readonly #writer = new MessageWriter();
  /** By STAN, as long as an answer may come. */
  readonly #open = new PassingMap<number, Exchange>();
  /** What was sent, in the order of its budgets' ends. */
  readonly #deadlines = new Queue<{
    readonly exchange: Exchange;
    readonly sends: number;
    readonly atMs: number;
  }>();
  /** What waits for a connection. */
  #waiting: Exchange[] = [];
  readonly #phases: PhaseTally[] = [];
  #phase: PhaseTally;
  #pace: Pace | null = null;
  /** The open loop's zero: when it began, and how many had gone then. */
  #paceFrom = { atMs: 0, count: 0 };
  #count = 0;
  /** Sent and without any answer so far. */
  #unanswered = 0;
  #timer: NodeJS.Timeout | null = null;
  #turn = 0;
  #lastAnswerAtMs: number | null = null;
  #managementStan = 0;
  #second = -1;
  #field7 = '';
  #isClosed = false;
  /** Messages that an overfull open loop did not send. */
  shed = 0;
  /** Answers that nothing here asked for, or too late to be told. */
  strays = 0;

  constructor(options: NetworkOptions) {
    const { cards, mix = DEFAULT_MIX, seed = 1, hotCards = 10, followAfterMs = [200, 3000] } = options;
    const now = options.now ?? Date.now;
    this.#options = { budgetMs: 5000, repeatsMax: 2, adviceRepeatsMax: 20, ...options, now };
    const rrnPrefix = options.rrnPrefix ?? prefixOf(now());
    this.#story = new Story({ set: cards, mix, seed, rrnPrefix, followAfterMs, hotCards });
    this.#phase = this.#begin('before');
    this.#phases.pop();
    this.#connections = Array.from({ length: options.connections ?? 4 }, () => this.#connect());
    this.#tick();
  }

  /** Until all connections are signed on. */
  async signOn(): Promise<void> {
    const { signOnMs = 10_000 } = this.#options;
    const deadline = performance.now() + signOnMs;
    while (this.connectionsUp < this.#connections.length) {
      if (performance.now() > deadline) {
        await this.close();
        const { host = '127.0.0.1', port } = this.#options;
        throw new Refusal('no_sign_on', `Nobody at ${host}:${port} answers a sign-on.`, {
          advice: 'See that the host runs, and that both sides use the same framing.',
        });
      }
      await pause(5);
    }
  }

  get connectionsUp(): number {
    return this.#connections.filter(({ isUp }) => isUp).length;
  }

  /** Messages without an answer, at this moment. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Cards that were issued meanwhile. */
  addCards({ cards }: CardSet): void {
    this.#story.addCards(cards);
  }

  /** Goes on at this pace. */
  start(pace: Pace): void {
    this.#pace = pace;
    this.#paceFrom = { atMs: performance.now(), count: this.#count };
    this.#lastAnswerAtMs ??= this.#paceFrom.atMs;
    this.#tick();
  }

  /** Sends nothing new, and waits until every message is answered or given up. */
  async pause(): Promise<void> {
    this.#pace = null;
    while (this.#unanswered > 0 || this.#waiting.length > 0) await pause(5);
    this.#lastAnswerAtMs = null;
  }

  /** The messages from now on belong to this phase. */
  beginPhase(name: string): void {
    this.#phase = this.#begin(name);
  }

  /** The phase as it stands; what is open then shows in a later `report`. */
  endPhase(): PhaseReport {
    const now = performance.now();
    this.#noteGap(now);
    this.#phase.end(now);
    return this.#phase.report(now);
  }

  /** Every phase that was begun. */
  report(): PhaseReport[] {
    return this.#phases.map((phase) => phase.report(performance.now()));
  }

  /** Breaks one connection, or all, as a network fault would; they come up again by themselves. */
  cutConnections(count = Infinity): void {
    for (const connection of this.#connections.slice(0, count)) connection.cut();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pace = null;
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  #begin(name: string): PhaseTally {
    const phase = new PhaseTally(name, performance.now());
    this.#phases.push(phase);
    return phase;
  }

  #connect(): Connection {
    const {
      port,
      host = '127.0.0.1',
      framing = 'binary',
      budgetMs,
      echoEveryMs = 10_000,
      now,
    } = this.#options;
    return new Connection({
      host,
      port,
      framing,
      budgetMs,
      echoEveryMs,
      now,
      nextStan: () => (this.#managementStan = (this.#managementStan % 999_999) + 1),
      onAnswer: (message) => this.#take(message),
      onTurn: () => this.#refill(),
      onUp: () => this.#sendWaiting(),
    });
  }

  #tick(): void {
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const now = performance.now();
    this.#expire(now);
    const pace = this.#pace;
    if (pace && 'rate' in pace) this.#sendByRate(pace.rate, now);
    else if (pace) this.#refill();
    this.#flush();
    const every = pace && 'rate' in pace ? Math.min(10, Math.max(1, 500 / pace.rate)) : 10;
    this.#timer = setTimeout(() => this.#tick(), every);
  }

  #sendByRate(rate: number, now: number): void {
    const { atMs, count } = this.#paceFrom;
    const due = count + Math.floor(((now - atMs) * rate) / 1000);
    const end = Math.min(due, this.#count + BURST_MAX);
    while (this.#count < end) {
      const intendedAtMs = atMs + ((this.#count + 1 - count) * 1000) / rate;
      this.#count++;
      if (this.#open.size < OPEN_MAX) this.#step(intendedAtMs, now);
      else this.shed++;
    }
  }

  /** In a closed loop: as many as have been answered. */
  #refill(): void {
    const pace = this.#pace;
    if (!pace || 'rate' in pace || this.connectionsUp === 0) return;
    const now = performance.now();
    for (let room = pace.inFlight - this.#unanswered; room > 0; room--) {
      this.#count++;
      this.#step(now, now);
    }
    this.#flush();
  }

  #step(intendedAtMs: number, now: number): void {
    const step = this.#story.next(now);
    if (step.kind === 'repeat') return this.#repeat(step.exchange);
    step.exchange.intendedAtMs = intendedAtMs;
    this.#send(step.exchange, now);
  }

  #send(exchange: Exchange, now: number): void {
    this.#unanswered++;
    exchange.phase = this.#phase;
    this.#phase.sent(exchange);
    this.#open.set(exchange.stan, exchange);
    this.#write(exchange, false, now);
  }

  /** Once more, though nothing calls for it. */
  #repeat(exchange: Exchange): void {
    if (exchange.phase) exchange.phase.repeatsSent++;
    this.#open.set(exchange.stan, exchange);
    this.#write(exchange, true, performance.now());
  }

  #write(exchange: Exchange, isRepeat: boolean, now: number): void {
    const connection = this.#nextConnection();
    if (!connection) {
      this.#waiting.push(exchange);
      return;
    }
    if (exchange.state === 'waiting') {
      exchange.state = 'open';
      exchange.sentAtMs = now;
      exchange.field7 ||= this.#field7Now();
      if (exchange.overtaken) {
        exchange.overtaken.field7 = exchange.field7;
        exchange.original = exchange.overtaken.asOriginal();
      }
    }
    exchange.sends++;
    connection.add(MessageWriter.BYTES_MAX, (into, at) => this.#writer.write(exchange, isRepeat, into, at));
    if (exchange.answers > 0) return;
    this.#deadlines.push({ exchange, sends: exchange.sends, atMs: now + this.#options.budgetMs });
    // Some shops are so impatient that the repeat travels beside its original.
    if (exchange.repeatAfterMs !== 0 || isRepeat) return;
    exchange.repeatAfterMs = null;
    this.#repeat(exchange);
  }

  #nextConnection(): Connection | null {
    const connections = this.#connections;
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[(this.#turn = (this.#turn + 1) % connections.length)];
      if (connection.isUp && !connection.isCrowded) return connection;
    }
    return connections.find(({ isUp }) => isUp) ?? null;
  }

  /** A connection is up again: what could not be sent goes now. */
  #sendWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const now = performance.now();
    for (const exchange of waiting)
      if (exchange.answers === 0) this.#write(exchange, exchange.sends > 0, now);
    this.#flush();
  }

  #flush(): void {
    for (const connection of this.#connections) connection.flush();
  }

  #take(bytes: Buffer): void {
    const answer = readAnswer(bytes);
    const exchange = answer ? this.#open.get(answer.stan) : undefined;
    if (!answer || !exchange || answer.mti !== answerMti(exchange.mti) || answer.field7 !== exchange.field7) {
      this.strays++;
      return;
    }
    const now = performance.now();
    this.#noteGap(now);
    this.#lastAnswerAtMs = now;
    exchange.answers++;
    if (exchange.answers > 1) this.#compare(exchange, answer);
    else {
      exchange.answeredAtMs = now;
      exchange.code = answer.code;
      exchange.answeredApproval = answer.approvalCode;
      exchange.answeredAmount = answer.amount;
      this.#firstAnswer(exchange, now);
    }
    // A repeat may follow, and adds the exchange again.
    if (exchange.answers >= exchange.sends) this.#open.delete(exchange.stan);
  }

  #firstAnswer(exchange: Exchange, now: number): void {
    const { phase, state } = exchange;
    phase?.answered(exchange, this.#options.budgetMs);
    const isLate = state === 'given_up';
    if (!isLate) this.#unanswered--;
    exchange.state = 'answered';
    if (isLate) return this.#options.onAnswered?.(exchange); // it was reversed meanwhile
    if (exchange.isOvertaken && exchange.isApproved) phase?.approvedAfterReversal();
    this.#options.onAnswered?.(exchange);
    this.#story.answered(exchange, now);
  }

  #compare(exchange: Exchange, answer: { code: string; approvalCode: string; amount: string }): void {
    const { phase, code, answeredApproval, answeredAmount } = exchange;
    if (!phase) return;
    const isSame =
      answer.code === code && answer.approvalCode === answeredApproval && answer.amount === answeredAmount;
    if (isSame) phase.repeatsIdentical++;
    else phase.repeatsDiffering++;
  }

  #noteGap(now: number): void {
    if (this.#lastAnswerAtMs === null || !this.#pace) return;
    this.#phase.longestGapMs = Math.max(this.#phase.longestGapMs, now - this.#lastAnswerAtMs);
  }

  /** Repeats what has run out of its budget, and gives up what was repeated often enough. */
  #expire(now: number): void {
    const { repeatsMax, adviceRepeatsMax } = this.#options;
    for (let head = this.#deadlines.peek(); head; head = this.#deadlines.peek()) {
      const { exchange, sends, atMs } = head;
      // What was answered, or sent once more, is kept no longer than what was sent before it is open.
      const isOpen = exchange.state === 'open' && sends === exchange.sends;
      if (isOpen && atMs > now) return;
      this.#deadlines.shift();
      if (!isOpen) continue;
      const max = exchange.isRequest ? repeatsMax : adviceRepeatsMax;
      if (exchange.attempts >= max) this.#giveUp(exchange, now);
      else {
        exchange.attempts++;
        this.#repeat(exchange);
      }
    }
  }

  #giveUp(exchange: Exchange, now: number): void {
    exchange.state = 'given_up';
    this.#unanswered--;
    exchange.phase?.givenUp();
    this.#options.onGivenUp?.(exchange);
    if (exchange.isRequest) this.#send(this.#story.reversalOfSilent(exchange, now), now);
  }

  #field7Now(): string {
    const now = this.#options.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#field7 = toField7(now);
    }
    return this.#field7;
  }
}

/** First in, first out; the room of what was taken is given back in large pieces. */
class Queue<Thing> {
  #things: (Thing | undefined)[] = [];
  #at = 0;

  push(thing: Thing): void {
    this.#things.push(thing);
  }

  peek(): Thing | undefined {
    return this.#things[this.#at];
  }

  shift(): void {
    this.#things[this.#at] = undefined;
    if (++this.#at < 4096 || this.#at * 2 < this.#things.length) return;
    this.#things = this.#things.slice(this.#at);
    this.#at = 0;
  }
}

/** Another one every ten seconds, for half a year. */
const prefixOf = (ms: number): string =>
  (Math.floor(ms / 10_000) % 36 ** 4).toString(36).toUpperCase().padStart(4, '0');
