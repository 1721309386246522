/** A clock that goes on when a test says so. */
export class HandClock {
  #ms = 1_000;

  readonly now = (): number => this.#ms;

  advance(ms: number): void {
    this.#ms += ms;
  }
}
