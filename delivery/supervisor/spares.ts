import { SpareProcess } from '../cell-process/start-cell-process.ts';

/** What is started at first, and whatever was woken, comes before the next spare one. */
const FIRST_AFTER_MS = 1_000;

/**
 * A process that has loaded its code and waits for a cell that wakes: loading takes most of what waking does. It knows
 * nothing of any cell, so it may become any one's. One is kept: of several cells that wake at once, the others' processes
 * start from nothing.
 */
export class Spares {
  readonly #log: number;
  readonly #first: NodeJS.Timeout;
  #waiting: SpareProcess | null = null;
  #isStopped = false;

  /** Without `keepsOne` each process is started when it is asked for. */
  constructor(log: number, keepsOne = true) {
    this.#log = log;
    this.#isStopped = !keepsOne;
    this.#first = setTimeout(() => this.refill(), FIRST_AFTER_MS).unref();
  }

  /** One that waits, or a new one. Whoever takes it says by `refill` when there is time for the next. */
  take(): SpareProcess {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting && !waiting.isGone ? waiting : new SpareProcess(this.#log);
  }

  refill(): void {
    if (this.#isStopped || (this.#waiting && !this.#waiting.isGone)) return;
    this.#waiting = new SpareProcess(this.#log);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#first);
    await this.#waiting?.letGo();
  }
}
