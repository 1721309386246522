/** How to take back what a run has made, step by step, should it fail: the latest first. */
export class Undo {
  readonly #steps: { readonly what: string; readonly takeBack: () => Promise<void> }[] = [];

  /** Called before a thing is made, so that one of which nobody heard whether it was made is taken back as well. */
  add(what: string, takeBack: () => Promise<void>): void {
    this.#steps.push({ what, takeBack });
  }

  /**
   * Takes back everything, and answers what could not be. What was made earlier stays when something made later
   * could not be removed: a database without its cell file could not be finished by anybody.
   */
  async run(): Promise<string[]> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop())
      try {
        await step.takeBack();
      } catch {
        return [
          step.what,
          ...this.#steps
            .splice(0)
            .reverse()
            .map(({ what }) => what),
        ];
      }
    return [];
  }
}
