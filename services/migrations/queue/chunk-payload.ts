import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Vault } from '#runtime/vault/vault.ts';

/**
 * The lines of one chunk on their way through the queue: how many, their numbers, where each ends, their bytes;
 * compressed, then sealed to the chunk's place, so that no card data lies in the queue in the clear.
 */
export interface ChunkLines {
  readonly count: number;
  /** Line numbers in the file, rising. */
  readonly numbers: Uint32Array;
  /** Where each line's content begins and ends in `bytes`. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly bytes: Buffer;
}

/** Which chunk it is: a payload laid into another chunk's row does not open. */
export interface ChunkPlace {
  readonly importNumber: number;
  readonly redrive: number;
  readonly phase: number;
  readonly lane: number;
  readonly firstLine: number;
}

const placeBytes = (place: ChunkPlace) =>
  Buffer.from(`chunk|${place.importNumber}|${place.redrive}|${place.phase}|${place.lane}|${place.firstLine}`);

// Level 1 halves what the database writes and costs less than the writing would.
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export const compress = (bytes: Buffer): Buffer => zstdCompressSync(bytes, FASTEST);
export const decompress = (bytes: Buffer): Buffer => zstdDecompressSync(bytes);

/** Gathers the lines of one chunk. */
export class ChunkBuilder {
  readonly #linesMax: number;
  readonly #numbers: Uint32Array;
  readonly #lengths: Uint32Array;
  #bytes = Buffer.allocUnsafe(256 * 1024);
  #used = 0;
  #count = 0;

  constructor(linesMax: number) {
    this.#linesMax = linesMax;
    this.#numbers = new Uint32Array(linesMax);
    this.#lengths = new Uint32Array(linesMax);
  }

  get count(): number {
    return this.#count;
  }

  get firstLine(): number {
    return this.#numbers[0];
  }

  isFull(bytesMax: number): boolean {
    return this.#count === this.#linesMax || this.#used >= bytesMax;
  }

  add(line: number, source: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.#used + length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + length));
      this.#bytes.copy(larger, 0, 0, this.#used);
      this.#bytes = larger;
    }
    source.copy(this.#bytes, this.#used, start, end);
    this.#used += length;
    this.#numbers[this.#count] = line;
    this.#lengths[this.#count] = length;
    this.#count++;
  }

  /** The sealed payload; the builder is empty afterwards. */
  seal(vault: Vault, place: ChunkPlace): Buffer {
    const head = Buffer.allocUnsafe(4 + this.#count * 8);
    head.writeUInt32LE(this.#count, 0);
    for (let i = 0; i < this.#count; i++) {
      head.writeUInt32LE(this.#numbers[i], 4 + i * 8);
      head.writeUInt32LE(this.#lengths[i], 8 + i * 8);
    }
    const sealed = vault.seal(
      'chunk',
      compress(Buffer.concat([head, this.#bytes.subarray(0, this.#used)])),
      placeBytes(place),
    );
    this.#bytes.fill(0, 0, this.#used);
    this.#used = 0;
    this.#count = 0;
    return sealed;
  }
}

export function openPayload(vault: Vault, place: ChunkPlace, sealed: Buffer): ChunkLines {
  const plain = decompress(vault.open('chunk', sealed, placeBytes(place)));
  const count = plain.readUInt32LE(0);
  const numbers = new Uint32Array(count);
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  const bytes = plain.subarray(4 + count * 8);
  let at = 0;
  for (let i = 0; i < count; i++) {
    numbers[i] = plain.readUInt32LE(4 + i * 8);
    starts[i] = at;
    at += plain.readUInt32LE(8 + i * 8);
    ends[i] = at;
  }
  return { count, numbers, starts, ends, bytes };
}

const deadPlace = (importNumber: number, line: number) => Buffer.from(`dead|${importNumber}|${line}`);

/** A dead letter keeps its line under the same key as the queue. */
export const sealDeadLine = (vault: Vault, importNumber: number, line: number, bytes: Buffer): Buffer =>
  vault.seal('chunk', bytes, deadPlace(importNumber, line));
export const openDeadLine = (vault: Vault, importNumber: number, line: number, sealed: Buffer): Buffer =>
  vault.open('chunk', sealed, deadPlace(importNumber, line));
