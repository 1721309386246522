/** So many removals at least lie between two copies. */
const REMOVALS_MIN = 32;

/**
 * A map for what is under way: few entries at a time, and each of them soon gone again.
 *
 * A `Map` is the wrong place for these. Every few hundred changes V8 builds its table anew, and links the outgrown one,
 * with all that was in it, to its successor. Once one such table has grown old, each scavenge takes its successors for
 * alive: all that ever passed through is copied twice, and stays until the next full collection. So this one is copied
 * into a fresh `Map` now and then, to which no old table leads. `passing-map.test.ts` shows the difference.
 */
export class PassingMap<Key, Value> {
  #map = new Map<Key, Value>();
  #removals = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  has(key: Key): boolean {
    return this.#map.has(key);
  }

  set(key: Key, value: Value): void {
    this.#map.set(key, value);
  }

  delete(key: Key): boolean {
    if (!this.#map.delete(key)) return false;
    // Each removal pays for less than one entry of the copy.
    if (++this.#removals < REMOVALS_MIN + this.#map.size) return true;
    this.#removals = 0;
    this.#map = new Map(this.#map);
    return true;
  }

  /** In the order in which they came. What is removed meanwhile may still be told. */
  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.#map[Symbol.iterator]();
  }
}
