import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Vault } from '#runtime/vault/vault.ts';

/** The lines of one chunk: how many, their numbers, where each lies, their bytes. */
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

const LENGTH_BYTES = 4;
/** Number and length of a line. */
const PLACE_BYTES = 8;

// Level 1 halves what the database writes and costs less than the writing would.
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Behind how many bytes they were: so they come back in one piece, and not in many that are put together. */
export function compress(bytes: Buffer): Buffer {
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, zstdCompressSync(bytes, FASTEST)]);
}

export function decompress(compressed: Buffer): Buffer {
  // With room to spare zlib sees the end; without, it makes room for more first.
  const chunkSize = compressed.readUInt32LE(0) + 64;
  return zstdDecompressSync(compressed.subarray(LENGTH_BYTES), { chunkSize });
}

/** A chunk has as many lines as a setting says, but ends with the line that brings it to this many bytes. */
const CHUNK_BYTES = 2 * 1024 * 1024;

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

  get isFull(): boolean {
    return this.#count === this.#linesMax || this.#used >= CHUNK_BYTES;
  }

  add(line: number, source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    source.copy(this.#bytes, this.#used, start, end);
    this.#used += length;
    this.#numbers[this.#count] = line;
    this.#lengths[this.#count] = length;
    this.#count++;
  }

  /** The lines as they lie in a chunk, then their places and their count, compressed; the builder is empty afterwards. */
  pack(): Buffer {
    const count = this.#count;
    this.#reserve(count * PLACE_BYTES + LENGTH_BYTES);
    let at = this.#used;
    for (let i = 0; i < count; i++) {
      at = this.#bytes.writeUInt32LE(this.#numbers[i], at);
      at = this.#bytes.writeUInt32LE(this.#lengths[i], at);
    }
    at = this.#bytes.writeUInt32LE(count, at);
    const packed = compress(this.#bytes.subarray(0, at));
    this.#bytes.fill(0, 0, this.#used);
    this.#used = 0;
    this.#count = 0;
    return packed;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + length));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes.fill(0, 0, this.#used);
    this.#bytes = larger;
  }
}

/** Packed lines, without those whose places are named, in rising order. */
export function unpack(packed: Buffer, without: readonly number[] = []): ChunkLines {
  const plain = decompress(packed);
  const all = plain.readUInt32LE(plain.length - LENGTH_BYTES);
  const places = plain.length - LENGTH_BYTES - all * PLACE_BYTES;
  const count = all - without.length;
  const numbers = new Uint32Array(count);
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  const bytes = plain.subarray(0, places);
  let kept = 0;
  let left = 0;
  for (let i = 0, at = 0; i < all; i++) {
    const end = at + plain.readUInt32LE(places + i * PLACE_BYTES + 4);
    if (without[left] === i) left++;
    else {
      numbers[kept] = plain.readUInt32LE(places + i * PLACE_BYTES);
      starts[kept] = at;
      ends[kept] = end;
      kept++;
    }
    at = end;
  }
  return { count, numbers, starts, ends, bytes };
}

/**
 * What lies in the queue: packed lines, sealed to the chunk's place, so that no card data lies there in the clear.
 * `without` names the places of lines that are worked in another chunk.
 */
export function sealPayload(
  vault: Vault,
  place: ChunkPlace,
  packed: Buffer,
  without: readonly number[] = [],
): Buffer {
  const head = Buffer.allocUnsafe(4 + without.length * 4);
  head.writeUInt32LE(without.length, 0);
  for (let i = 0; i < without.length; i++) head.writeUInt32LE(without[i], 4 + i * 4);
  return vault.seal('chunk', Buffer.concat([head, packed]), placeBytes(place));
}

export function openPayload(vault: Vault, place: ChunkPlace, sealed: Buffer): ChunkLines {
  const opened = vault.open('chunk', sealed, placeBytes(place));
  const without = Array.from({ length: opened.readUInt32LE(0) }, (_, i) => opened.readUInt32LE(4 + i * 4));
  return unpack(opened.subarray(4 + without.length * 4), without);
}

const deadPlace = (importNumber: number, line: number) => Buffer.from(`dead|${importNumber}|${line}`);

/** A dead letter keeps its line under the same key as the queue. */
export const sealDeadLine = (vault: Vault, importNumber: number, line: number, bytes: Buffer): Buffer =>
  vault.seal('chunk', bytes, deadPlace(importNumber, line));
export const openDeadLine = (vault: Vault, importNumber: number, line: number, sealed: Buffer): Buffer =>
  vault.open('chunk', sealed, deadPlace(importNumber, line));
