import { SpareProcess } from '../cell-process/start-cell-process.ts';

/** What is started at first, and whatever was woken, comes before the next spare one. */
const FIRST_AFTER_MS = 1_000;

/**
 * Processes that have loaded their code and wait for cells that wake: loading takes most of what waking does. They know
 * nothing of any cell, so each may become any one's. They are started one after the other, because loading is the work
 * of a whole core; of more cells that wake at once, the others' processes start from nothing.
 */
export class Spares {
  readonly #log: number;
  readonly #max: number;
  readonly #first: NodeJS.Timeout;
  readonly #waiting = new Set<SpareProcess>();
  readonly #ready = new Set<SpareProcess>();
  #isStopped = false;

  /** With none, each process is started when it is asked for. */
  constructor(log: number, max: number) {
    this.#log = log;
    this.#max = max;
    this.#first = setTimeout(() => this.refill(), FIRST_AFTER_MS).unref();
  }

  /** How many have loaded all that they will need. */
  get ready(): number {
    return this.#ready.size;
  }

  /** One that waits, the first that is ready, or a new one. Whoever takes it says by `refill` when there is time. */
  take(): SpareProcess {
    this.#clear();
    const [taken] = [...this.#ready, ...this.#waiting];
    if (taken === undefined) return new SpareProcess(this.#log);
    this.#waiting.delete(taken);
    this.#ready.delete(taken);
    return taken;
  }

  refill(): void {
    this.#clear();
    const isLoading = this.#waiting.size > this.#ready.size;
    if (this.#isStopped || isLoading || this.#waiting.size >= this.#max) return;
    const spare = new SpareProcess(this.#log);
    this.#waiting.add(spare);
    void spare.ready.then(() => {
      if (!this.#waiting.has(spare)) return;
      this.#ready.add(spare);
      this.refill();
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#first);
    await Promise.all([...this.#waiting].map((spare) => spare.letGo()));
  }

  #clear(): void {
    for (const spare of this.#waiting) {
      if (!spare.isGone) continue;
      this.#waiting.delete(spare);
      this.#ready.delete(spare);
    }
  }
}
