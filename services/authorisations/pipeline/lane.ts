import type { Client } from '#declare/service.ts';
import type { ledger } from '#services/ledger/service.ts';
import type { cards } from '#services/cards/service.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { MessageRows } from '../store/messages.ts';
import { LedgerRows } from './ledger-rows.ts';
import { MessageCodes } from './message-codes.ts';
import { CardFinder, Reader } from './reading.ts';
import type { Step, Task } from './task.ts';

export const BATCH_MAX = 256;
/**
 * A batch costs as much as some thirty of its messages, so while messages keep coming it waits this long for more of
 * them, or until there are enough. At 1,000 messages a second that halves what each of them costs.
 */
const GATHER_MS = 3;
const ENOUGH = 64;
/** After so long a silence there is nothing to wait for. */
const QUIET_MS = 10;

/** What a lane works with: coders and columns keep their buffers from batch to batch. */
export interface Tools {
  readonly codes: MessageCodes;
  readonly cards: CardFinder;
  readonly reader: Reader;
  readonly ledger: LedgerRows;
  readonly rows: MessageRows;
}

export const makeTools = (
  vault: Vault,
  clients: { readonly cards: Client<typeof cards>; readonly ledger: Client<typeof ledger> },
  { holdDays }: { holdDays: number },
): Tools => ({
  codes: new MessageCodes(vault),
  cards: new CardFinder(clients.cards),
  reader: new Reader(),
  ledger: new LedgerRows(clients.ledger, { holdDays }),
  rows: new MessageRows(),
});

/** Steps in the order in which they get their turn. */
const STEPS: readonly Step[] = ['answered', 'silent', 'arrived'];

/**
 * A queue of messages that are worked a batch at a time: at once after a silence, and while a batch is under way, and a
 * moment longer, the next one gathers. So batches are as large as the load makes them. A batch holds messages of one
 * step, and the steps take turns. Messages of one card are always in one lane.
 */
export class Lane {
  readonly tools: Tools;
  readonly #work: (lane: Lane, batch: Task[]) => Promise<void>;
  readonly #waiting: Record<Step, Task[]> = { answered: [], silent: [], arrived: [] };
  #under: readonly Task[] = [];
  /** When the batch under way began, by a clock that only moves forward; Infinity when there is none. */
  #since = Infinity;
  /** When the last batch ended, by the same clock. */
  #endedAt = -Infinity;
  #isRunning = false;
  #hasEnough: () => void = () => {};
  #turn = 0;
  /** How many messages a batch may have now. */
  #most = BATCH_MAX;
  readonly #now: () => number;

  /** `now` tells milliseconds that never go back. */
  constructor(
    tools: Tools,
    work: (lane: Lane, batch: Task[]) => Promise<void>,
    now = () => performance.now(),
  ) {
    this.tools = tools;
    this.#work = work;
    this.#now = now;
  }

  get size(): number {
    return this.#under.length + this.#waitingSize;
  }

  get #waitingSize(): number {
    return STEPS.reduce((size, step) => size + this.#waiting[step].length, 0);
  }

  get waiting(): Task[] {
    return STEPS.flatMap((step) => this.#waiting[step]);
  }

  get underWay(): readonly Task[] {
    return this.#under;
  }

  /** For how long the batch under way has been. */
  busyMs(now: number): number {
    return this.#since === Infinity ? 0 : now - this.#since;
  }

  add(task: Task): void {
    this.#waiting[task.step].push(task);
    if (this.#waitingSize >= ENOUGH) this.#hasEnough();
    this.#run();
  }

  /** For messages of one step that could not be taken to their end: they come before all others of it. */
  putBack(tasks: readonly Task[]): void {
    if (tasks.length === 0) return;
    const { step } = tasks[0];
    this.#waiting[step] = [...tasks, ...this.#waiting[step]];
    this.#run();
  }

  /** A message of the batch under way makes it fail: the next one has half as many, until that message is alone. */
  narrow(): void {
    this.#most = Math.max(1, Math.floor(this.#under.length / 2));
  }

  /** A batch went through: the next one may have twice as many again. */
  widen(): void {
    this.#most = Math.min(BATCH_MAX, 2 * this.#most);
  }

  /** Takes out what waits and is wanted. */
  take(isWanted: (task: Task) => boolean): Task[] {
    const taken: Task[] = [];
    for (const step of STEPS) {
      const wanted = this.#waiting[step].filter(isWanted);
      if (wanted.length === 0) continue;
      taken.push(...wanted);
      this.#waiting[step] = this.#waiting[step].filter((task) => !isWanted(task));
    }
    return taken;
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // What else came with the same bytes belongs into the same batch.
    setImmediate(() => void this.#loop());
  }

  async #loop(): Promise<void> {
    while (this.#waitingSize > 0) {
      if (this.#waitingSize < ENOUGH && this.#now() - this.#endedAt < QUIET_MS) await this.#gather();
      const batch = this.#next();
      if (batch.length === 0) break; // all of it was taken out meanwhile
      this.#under = batch;
      this.#since = this.#now();
      await this.#work(this, batch);
      this.#under = [];
      this.#since = Infinity;
      this.#endedAt = this.#now();
    }
    this.#isRunning = false;
  }

  #gather(): Promise<void> {
    return new Promise((resolve) => {
      const over = setTimeout(resolve, GATHER_MS);
      this.#hasEnough = () => {
        clearTimeout(over);
        resolve();
      };
    });
  }

  /** Messages of the step whose turn it is, or of the next one that has some. */
  #next(): Task[] {
    for (let i = 0; i < STEPS.length; i++) {
      const waiting = this.#waiting[STEPS[this.#turn++ % STEPS.length]];
      if (waiting.length > 0) return waiting.splice(0, this.#most);
    }
    return [];
  }
}
