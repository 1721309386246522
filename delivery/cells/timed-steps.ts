export interface TimedStep {
  readonly step: string;
  readonly ms: number;
}

/** What each step of a piece of work took: a ledger of its time, in the order in which the steps ended. */
export class TimedSteps {
  readonly steps: TimedStep[] = [];

  /** Runs one step. One that fails is on the ledger too: it took its time all the same. */
  async run<T>(step: string, work: () => Promise<T>): Promise<T> {
    const since = performance.now();
    try {
      return await work();
    } finally {
      this.steps.push({ step, ms: Math.round((performance.now() - since) * 10) / 10 });
    }
  }
}
