const AT_ONCE_MAX = 256;

/**
 * Things that are done together: while some are being done, those that come wait and go together next. So one that
 * comes alone is done at once, and many cost little each.
 */
export class Gathered<Thing> {
  readonly #work: (things: readonly Thing[]) => Promise<unknown>;
  #waiting: { readonly thing: Thing; readonly settle: PromiseWithResolvers<void> }[] = [];
  #isWorking = false;

  constructor(work: (things: readonly Thing[]) => Promise<unknown>) {
    this.#work = work;
  }

  /** Ends when the thing is done; fails as those with which it was done. */
  add(thing: Thing): Promise<void> {
    const settle = Promise.withResolvers<void>();
    this.#waiting.push({ thing, settle });
    if (!this.#isWorking) void this.#turn();
    return settle.promise;
  }

  async #turn(): Promise<void> {
    this.#isWorking = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, AT_ONCE_MAX);
      try {
        await this.#work(batch.map(({ thing }) => thing));
        for (const { settle } of batch) settle.resolve();
      } catch (error) {
        for (const { settle } of batch) settle.reject(error);
      }
    }
    this.#isWorking = false;
  }
}
