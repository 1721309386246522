import { PassingMap } from '#runtime/passing-map.ts';

/** Things to be done at their time, a hundredth of a second more or less: one timer for all of them. */
export class Later<Thing> {
  #slots = new PassingMap<number, Thing[]>();
  #next = -1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(thing: Thing, atMs: number): void {
    const slot = Math.max(Math.floor(atMs / SLOT_MS), this.#next);
    const things = this.#slots.get(slot);
    if (things) things.push(thing);
    else this.#slots.set(slot, [thing]);
    this.#size++;
  }

  /** What is due by now, in order of its time. */
  take(nowMs: number): Thing[] {
    const last = Math.floor(nowMs / SLOT_MS);
    if (this.#next < 0) this.#next = Math.min(last, ...[...this.#slots].map(([slot]) => slot));
    if (this.#size === 0 || last < this.#next) {
      this.#next = Math.max(this.#next, last);
      return [];
    }
    const due: Thing[] = [];
    for (; this.#next <= last; this.#next++) {
      const things = this.#slots.get(this.#next);
      if (!things) continue;
      due.push(...things);
      this.#slots.delete(this.#next);
    }
    this.#size -= due.length;
    return due;
  }

  clear(): void {
    this.#slots = new PassingMap();
    this.#size = 0;
  }
}

const SLOT_MS = 10;
