import { setTimeout as sleep } from 'node:timers/promises';
import type { Pressure } from '#services/authorisations/service.ts';

export interface YieldSettings {
  readonly RELEVO_YIELD_PERCENT: number;
  readonly RELEVO_YIELD_LINES: number;
}

const NO_PRESSURE: Pressure = { messagesPerSecond: 0, p99Ms: null };
/** With so many messages a second a migration works no more than its settings say; with fewer, more. */
const FULL_PER_SECOND = 50;
/** The objective of the answers. When they are slower than that, the migration takes less still. */
const P99_MS_AIM = 25;
/** However many messages there are, the migration goes on. */
const SHARE_MIN = 0.1;
const REST_MS_MAX = 2_000;
/** How often is asked; older knowledge than `STALE_MS` says nothing. */
const ASK_MS = 500;
const STALE_MS = 5_000;

/** The part of its time that work on a migration takes beside live messages. */
export function shareOfTime({ messagesPerSecond, p99Ms }: Pressure, percent: number): number {
  if (messagesPerSecond <= 0) return 1;
  const least = percent / 100;
  const share = 1 - (1 - least) * Math.min(1, messagesPerSecond / FULL_PER_SECOND);
  const strained = p99Ms !== null && p99Ms > P99_MS_AIM ? share * (P99_MS_AIM / p99Ms) : share;
  return Math.max(Math.min(SHARE_MIN, least), strained);
}

/** How long work rests after so many milliseconds, so that it takes its share and no more. */
export const restMs = (workedMs: number, share: number): number =>
  Math.min(REST_MS_MAX, Math.max(0, workedMs * (1 / share - 1)));

/** Handed in, so that a test need not wait. */
export interface Clock {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

const realClock: Clock = { now: () => performance.now(), sleep: (ms) => sleep(ms) };

/**
 * What this process knows of the cell's live messages, and how its work on migrations gives way to them. It asks
 * when somebody wants to know and its knowledge is old; nobody waits for the answer.
 */
export class Yielding {
  readonly #ask: () => Promise<Pressure>;
  readonly #settings: YieldSettings;
  readonly #clock: Clock;
  #pressure = NO_PRESSURE;
  #knownAt = -Infinity;
  #askedAt = -Infinity;
  #wasNeeded = false;
  readonly #onFirstNeed: (() => void)[] = [];

  constructor(ask: () => Promise<Pressure>, settings: YieldSettings, clock = realClock) {
    this.#ask = ask;
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Whether messages are being answered. */
  get isNeeded(): boolean {
    return this.#now().messagesPerSecond > 0;
  }

  /** What has no way back, such as a lower priority, waits until messages are met for the first time. */
  onFirstNeed(act: () => void): void {
    if (this.#wasNeeded) act();
    else this.#onFirstNeed.push(act);
  }

  /** How many of `lines` are written at once: a statement holds its locks and its core to its end. */
  linesAtOnce(lines: number): number {
    return this.isNeeded ? Math.min(lines, this.#settings.RELEVO_YIELD_LINES) : lines;
  }

  /** A strand of work that rests now and then, from now on. */
  strand(): Strand {
    return new Strand(this, this.#clock);
  }

  async rest(workedMs: number): Promise<void> {
    const ms = restMs(workedMs, shareOfTime(this.#now(), this.#settings.RELEVO_YIELD_PERCENT));
    if (ms >= 1) await this.#clock.sleep(ms);
  }

  #now(): Pressure {
    const now = this.#clock.now();
    if (now - this.#askedAt >= ASK_MS) {
      this.#askedAt = now;
      this.#ask().then(
        (pressure) => {
          this.#pressure = pressure;
          this.#knownAt = this.#clock.now();
          if (pressure.messagesPerSecond > 0) this.#needed();
        },
        () => {}, // the work itself meets a database that is away
      );
    }
    return now - this.#knownAt < STALE_MS ? this.#pressure : NO_PRESSURE;
  }

  #needed(): void {
    this.#wasNeeded = true;
    for (const act of this.#onFirstNeed.splice(0)) act();
  }
}

/** Work that goes on step by step; after each it rests for what the step has taken. */
export class Strand {
  readonly #yielding: Yielding;
  readonly #clock: Clock;
  #since: number;

  constructor(yielding: Yielding, clock: Clock) {
    this.#yielding = yielding;
    this.#clock = clock;
    this.#since = clock.now();
  }

  async rest(): Promise<void> {
    await this.#yielding.rest(this.#clock.now() - this.#since);
    this.#since = this.#clock.now();
  }
}

/** The pieces of a stream; whoever reads it rests after each piece for what he did with it. */
export async function* resting<Piece>(
  yielding: Yielding,
  pieces: AsyncIterable<Piece>,
): AsyncGenerator<Piece> {
  for await (const piece of pieces) {
    const strand = yielding.strand();
    yield piece;
    await strand.rest();
  }
}
