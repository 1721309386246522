import { LINE_BYTES_MAX } from './split-line.ts';

/** Whole lines, and where each one's content begins and ends: `[starts[i], ends[i])`, without its line end. */
export interface LineBatch {
  /** The number of the batch, from 0. */
  readonly index: number;
  /** The number of the first line in its file; a file's first line is line 1. */
  readonly firstLine: number;
  readonly count: number;
  readonly bytes: Buffer;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

export interface CutOptions {
  /** A batch ends after this many lines... */
  readonly chunkLines?: number;
  /** ...or with the line that brings it to this many bytes, whichever comes first. */
  readonly chunkBytes?: number;
  /** Hand out the same memory again and again: a batch is good until the next one is asked for. */
  readonly recycle?: boolean;
}

export const CHUNK_LINES = 2048;
export const CHUNK_BYTES = 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

/**
 * One byte more than a line may have: that is how much of a longer line is kept, so that its length alone
 * still tells that it was too long.
 */
const KEPT_MAX = LINE_BYTES_MAX + 1;
/** Room for a line end, and for the byte that shows a line to be longer than what is kept of it. */
const ROOM = 3;

/**
 * Cuts a stream into batches of whole lines, in flat memory: it holds one batch and asks for the next chunk
 * when the last batch has been taken. Where a batch ends depends on the file alone, never on how the stream
 * was chunked, so two passes over the same file cut it alike.
 *
 * Lines end in LF or CRLF, the last one also with the file. What follows the `KEPT_MAX`-th byte of an
 * overlong line is dropped, up to its line end.
 */
export async function* cutLines(
  chunks: AsyncIterable<Uint8Array>,
  options: CutOptions = {},
): AsyncGenerator<LineBatch, void, undefined> {
  const cutter = new LineCutter(options);
  for await (const chunk of chunks) yield* cutter.push(chunk);
  yield* cutter.end();
}

export class LineCutter {
  readonly #chunkLines: number;
  readonly #chunkBytes: number;
  readonly #recycle: boolean;
  #bytes!: Buffer;
  #starts!: Int32Array;
  #ends!: Int32Array;
  #used = 0;
  #count = 0;
  #index = 0;
  #firstLine = 1;
  #lineStart = 0;
  /** The rest of an overlong line is being dropped. */
  #dropping = false;

  constructor({ chunkLines = CHUNK_LINES, chunkBytes = CHUNK_BYTES, recycle = false }: CutOptions = {}) {
    this.#chunkLines = chunkLines;
    this.#chunkBytes = chunkBytes;
    this.#recycle = recycle;
    this.#allocate();
  }

  /** The batches that this chunk completes. */
  *push(chunk: Uint8Array): Generator<LineBatch, void, undefined> {
    const source = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < source.length) {
      at = this.#dropping ? this.#drop(source, at) : this.#take(source, at);
      if (this.#isComplete()) yield this.#takeBatch();
    }
  }

  /** The last batch, when there is a line left. */
  *end(): Generator<LineBatch, void, undefined> {
    if (this.#used > this.#lineStart) {
      this.#used = Math.min(this.#used, this.#lineStart + KEPT_MAX);
      this.#endLine(this.#used, this.#used);
    }
    if (this.#count > 0) yield this.#takeBatch();
  }

  /** Copies what fits from `at` on and finds its lines; answers how far the source has been used. */
  #take(source: Buffer, at: number): number {
    const before = this.#used;
    const length = Math.min(source.length - at, this.#bytes.length - before);
    source.copy(this.#bytes, before, at, at + length);
    this.#used += length;
    const filled = this.#bytes.subarray(0, this.#used);
    let lineEnd = filled.indexOf(LF, before);
    while (lineEnd >= 0) {
      const contentEnd = filled[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
      if (contentEnd - this.#lineStart > KEPT_MAX) {
        this.#truncate();
        return at + lineEnd - before;
      }
      this.#endLine(contentEnd, lineEnd + 1);
      if (this.#isComplete()) {
        this.#used = lineEnd + 1;
        return at + lineEnd + 1 - before;
      }
      lineEnd = filled.indexOf(LF, lineEnd + 1);
    }
    // One more than `KEPT_MAX` could still be the CR of a line that is just too long.
    if (this.#used - this.#lineStart > KEPT_MAX + 1) this.#truncate();
    return at + length;
  }

  #truncate(): void {
    this.#used = this.#lineStart + KEPT_MAX;
    this.#dropping = true;
  }

  /** Passes over the rest of an overlong line. */
  #drop(source: Buffer, at: number): number {
    const lineEnd = source.indexOf(LF, at);
    if (lineEnd < 0) return source.length;
    this.#dropping = false;
    this.#bytes[this.#used++] = LF;
    this.#endLine(this.#used - 1, this.#used);
    return lineEnd + 1;
  }

  #endLine(contentEnd: number, nextLine: number): void {
    this.#starts[this.#count] = this.#lineStart;
    this.#ends[this.#count] = contentEnd;
    this.#count++;
    this.#lineStart = nextLine;
  }

  #isComplete(): boolean {
    return this.#count === this.#chunkLines || this.#lineStart >= this.#chunkBytes;
  }

  #takeBatch(): LineBatch {
    const batch: LineBatch = {
      index: this.#index++,
      firstLine: this.#firstLine,
      count: this.#count,
      bytes: this.#bytes.subarray(0, this.#used),
      starts: this.#starts,
      ends: this.#ends,
    };
    this.#firstLine += this.#count;
    this.#used = 0;
    this.#count = 0;
    this.#lineStart = 0;
    if (!this.#recycle) this.#allocate();
    return batch;
  }

  #allocate(): void {
    this.#bytes = Buffer.allocUnsafeSlow(this.#chunkBytes + KEPT_MAX + ROOM);
    this.#starts = new Int32Array(this.#chunkLines);
    this.#ends = new Int32Array(this.#chunkLines);
  }
}
