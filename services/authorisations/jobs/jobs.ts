/** Something that is done again and again while a process serves. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  run(signal: AbortSignal): Promise<void>;
}

/** Runs jobs beside each other, each with its pause after it has ended; one that fails is tried again after its pause. */
export class Jobs {
  readonly #ending = new AbortController();
  readonly #running: Promise<void>[];

  constructor(jobs: readonly Job[], onTrouble: (job: string, error: unknown) => void) {
    this.#running = jobs.map((job) => this.#repeat(job, onTrouble));
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#running);
  }

  async #repeat(
    { name, everyMs, run }: Job,
    onTrouble: (job: string, error: unknown) => void,
  ): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await run(signal);
      } catch (error) {
        if (!signal.aborted) onTrouble(name, error);
      }
      await pause(everyMs, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    signal.addEventListener('abort', end);
  });
}
