import { createCipheriv, randomBytes, randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const AES_BLOCK = 16;
const AES_BLOCK_WORDS = AES_BLOCK / 4;

/**
 * A file that only this process can read: enciphered with a key that exists in memory alone, and without a
 * name from the moment it is open, so that no way of ending leaves it behind.
 */
export class SpillFile implements Disposable {
  readonly #directory: string;
  readonly #key = randomBytes(32);
  #file = -1;
  #length = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get bytes(): number {
    return this.#length;
  }

  /** Appends bytes and answers where they begin; what comes next begins with a block of its own. */
  write(bytes: Uint8Array): number {
    if (this.#file < 0) this.#open();
    const position = this.#length;
    const enciphered = this.#cipher(position).update(bytes);
    for (let done = 0; done < enciphered.length;) {
      done += writeSync(this.#file, enciphered, done, enciphered.length - done, position + done);
    }
    this.#length = Math.ceil((position + enciphered.length) / AES_BLOCK) * AES_BLOCK;
    return position;
  }

  /** Fills `bytes` with what was written at `position`. */
  read(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const count = readSync(this.#file, bytes, done, bytes.length - done, position + done);
      if (count === 0) throw new Error('a spill file ends before its last page');
      done += count;
    }
    bytes.set(this.#cipher(position).update(bytes));
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
    this.#key.fill(0);
  }

  #open(): void {
    const path = join(this.#directory, `spill-${randomUUID()}`);
    this.#file = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
  }

  /** The counter is the place in the file, so no part of the key stream is used twice. */
  #cipher(position: number) {
    const counter = Buffer.alloc(AES_BLOCK);
    counter.writeBigUInt64BE(BigInt(position / AES_BLOCK), 8);
    return createCipheriv('aes-256-ctr', this.#key, counter);
  }
}

/** A run of records: `words` and `numbers` are the same bytes, read as 32-bit words or as doubles. */
export interface Page {
  readonly words: Uint32Array;
  readonly numbers: Float64Array;
  /** How many of `words` are records. */
  readonly used: number;
}

/**
 * Lists of fixed-size records, each appended to and then read back in the same order. A list keeps one page in
 * memory; full pages go to the spill file. All pages are parts of one allocation, which the system only backs
 * where it is written to: a small file costs little, a large one leaves no fragments behind.
 */
export function recordLists(options: { layouts: RecordLayout[]; memoryBytes: number; spill: SpillFile }) {
  const { layouts, memoryBytes, spill } = options;
  const totalWords = layouts.reduce((sum, { lists, recordWords }) => sum + lists * recordWords, 0);
  const pageBytes = layouts.map((layout) =>
    wholePage(layout.recordWords, (memoryBytes * layout.recordWords) / totalWords),
  );
  const memory = new ArrayBuffer(layouts.reduce((sum, { lists }, i) => sum + lists * pageBytes[i], 0));
  let offset = 0;
  return layouts.map(({ lists, recordWords }, i) =>
    Array.from({ length: lists }, () => {
      const page = new Uint8Array(memory, offset, pageBytes[i]);
      offset += pageBytes[i];
      return new RecordList(recordWords, page, spill);
    }),
  );
}

export interface RecordLayout {
  readonly lists: number;
  readonly recordWords: number;
}

export class RecordList {
  readonly recordWords: number;
  /** The current page, as 32-bit words and as doubles. */
  readonly words: Uint32Array;
  readonly numbers: Float64Array;
  readonly #page: Uint8Array;
  readonly #spill: SpillFile;
  readonly #spilled: number[] = [];
  #used = 0;

  constructor(recordWords: number, page: Uint8Array<ArrayBuffer>, spill: SpillFile) {
    this.recordWords = recordWords;
    this.words = new Uint32Array(page.buffer, page.byteOffset, page.length / 4);
    this.numbers = new Float64Array(page.buffer, page.byteOffset, page.length / 8);
    this.#page = page;
    this.#spill = spill;
  }

  /** How many records were appended. */
  get count(): number {
    return (this.#spilled.length * this.words.length + this.#used) / this.recordWords;
  }

  /** Appends a record and answers where in `words` it has to be written. */
  room(): number {
    if (this.#used === this.words.length) {
      this.#spilled.push(this.#spill.write(this.#page));
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += this.recordWords;
    return at;
  }

  /** A page is good until the next one is asked for. */
  *pages(): Generator<Page, void, undefined> {
    if (this.#spilled.length > 0) {
      const bytes = new Uint8Array(this.#page.length);
      const words = new Uint32Array(bytes.buffer);
      const numbers = new Float64Array(bytes.buffer);
      for (const position of this.#spilled) {
        this.#spill.read(position, bytes);
        yield { words, numbers, used: words.length };
      }
    }
    yield { words: this.words, numbers: this.numbers, used: this.#used };
  }
}

/** The bytes of a page: whole records and whole AES blocks, at least one unit of both. */
function wholePage(recordWords: number, bytes: number): number {
  const unit = (4 * recordWords * AES_BLOCK_WORDS) / commonDivisor(recordWords, AES_BLOCK_WORDS);
  return unit * Math.max(1, Math.floor(bytes / unit));
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
