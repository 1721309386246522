const SMALLEST = 64 * 1024;

/**
 * Buffers that are used again and again. Memory outside of the heap is counted against the collector: tens of megabytes
 * of it that are thrown away make it look through everything.
 */
export class SpareBuffers {
  readonly #spare: Buffer[] = [];
  readonly #kept: number;
  readonly #bytesMax: number;

  /** Keeps so many, none of them larger than `bytesMax`. */
  constructor({ kept, bytesMax }: { kept: number; bytesMax: number }) {
    this.#kept = kept;
    this.#bytesMax = bytesMax;
  }

  /** A buffer of at least so many bytes, with whatever it held before. */
  take(bytes: number): Buffer {
    const found = this.#spare.findIndex((buffer) => buffer.length >= bytes);
    if (found >= 0) return this.#spare.splice(found, 1)[0];
    return Buffer.allocUnsafeSlow(Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(bytes))));
  }

  /** For a buffer that nobody reads any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length > this.#bytesMax) return;
    if (this.#spare.length === this.#kept) this.#spare.shift();
    this.#spare.push(buffer);
  }
}
