const BUCKETS = 4_096;

/** How long answers took in the last seconds, to the millisecond: counting costs nothing worth mentioning. */
export class Latencies {
  #current = new Uint32Array(BUCKETS);
  #before = new Uint32Array(BUCKETS);

  add(ms: number): void {
    this.#current[Math.max(0, Math.min(BUCKETS - 1, Math.floor(ms)))]++;
  }

  /** Begins the next stretch; what is counted is this one and the one before. */
  turn(): void {
    [this.#current, this.#before] = [this.#before.fill(0), this.#current];
  }

  /** Milliseconds within which this share of answers left; null when there was none. */
  quantile(share: number): number | null {
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) total += this.#current[i] + this.#before[i];
    if (total === 0) return null;
    let left = total * share;
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#current[i] + this.#before[i];
      if (left <= 0) return i;
    }
    return BUCKETS;
  }
}
