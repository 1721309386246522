import { cutShort } from './refusal.ts';

/**
 * Reads a stream of chunks as bytes, on demand. It holds what was asked for and at most one chunk more, and
 * hands out views of the chunks rather than copies.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Buffer[] = [];
  #head = 0; // the first chunk of the queue; shifting an array of many small chunks would be quadratic
  #ended = false;
  #buffered = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes at hand without waiting. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Waits until `count` bytes are at hand; false when the stream ends before. */
  async fill(count: number): Promise<boolean> {
    while (this.#buffered < count && !this.#ended) {
      const next = await this.#source.next();
      if (next.done) this.#ended = true;
      else this.#push(next.value);
    }
    return this.#buffered >= count;
  }

  async atEnd(): Promise<boolean> {
    return !(await this.fill(1));
  }

  /** The next bytes, whatever number is at hand up to `max`; null at the end. */
  async next(max: number): Promise<Buffer | null> {
    return (await this.fill(1)) ? this.some(max) : null;
  }

  /** Exactly `count` bytes, or the refusal that the message is cut short. */
  async exactly(count: number): Promise<Buffer> {
    if (!(await this.fill(count))) throw cutShort();
    return this.take(count);
  }

  async byte(): Promise<number> {
    return (await this.exactly(1))[0];
  }

  /** The byte at `index` of those at hand, left where it is. */
  peek(index: number): number {
    let at = this.#head;
    while (index >= this.#chunks[at].length) index -= this.#chunks[at++].length;
    return this.#chunks[at][index];
  }

  /** Up to `max` of the bytes at hand (there must be one) in one piece, without copying. */
  some(max: number): Buffer {
    const chunk = this.#chunks[this.#head];
    if (chunk.length <= max) {
      this.#dropHead();
      this.#buffered -= chunk.length;
      return chunk;
    }
    this.#chunks[this.#head] = chunk.subarray(max);
    this.#buffered -= max;
    return chunk.subarray(0, max);
  }

  /** `count` of the bytes at hand in one piece. */
  take(count: number): Buffer {
    if (count > 0 && this.#chunks[this.#head].length >= count) return this.some(count);
    const whole = Buffer.allocUnsafe(count);
    this.copy(whole, 0, count);
    return whole;
  }

  /** Moves `count` of the bytes at hand into `target`. */
  copy(target: Buffer, at: number, count: number): void {
    while (count > 0) {
      const piece = this.some(count);
      piece.copy(target, at);
      at += piece.length;
      count -= piece.length;
    }
  }

  /** Puts bytes back in front of the stream. */
  unread(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.splice(this.#head, 0, bytes);
    this.#buffered += bytes.length;
  }

  async skipToEnd(): Promise<void> {
    while (await this.next(Infinity));
  }

  /** All that is left, in chunks. */
  async *rest(): AsyncGenerator<Buffer> {
    for (let chunk = await this.next(Infinity); chunk; chunk = await this.next(Infinity)) yield chunk;
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#source.return?.();
  }

  #push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const view = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#chunks.push(view);
    this.#buffered += view.length;
  }

  #dropHead(): void {
    this.#head++;
    if (this.#head === this.#chunks.length) {
      this.#chunks = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }
}
