import type { ColumnType } from '#declare/columns.ts';
import { putUuid, UUID_BYTES } from '#runtime/uuid-bytes.ts';

/** PostgreSQL's object ids of the element types, which a binary array names in its header. */
const ELEMENT_OID: Record<ColumnType, number> = {
  uuid: 2950,
  bytes: 17,
  text: 25,
  bool: 16,
  int2: 21,
  int4: 23,
  int8: 20,
  date: 1082,
  timestamp: 1184,
};

/** The SQL name of the array type that carries a column. */
export const SQL_TYPE: Record<ColumnType, string> = {
  uuid: 'uuid',
  bytes: 'bytea',
  text: 'text',
  bool: 'bool',
  int2: 'int2',
  int4: 'int4',
  int8: 'int8',
  date: 'date',
  timestamp: 'timestamptz',
};

/** A column grows as it is filled; most batches of messages are small, and columns are made by the dozen. */
const FIRST_BYTES = 1024;
/** What lies behind the last value, so that whoever copies values word by word may copy too much. */
export const FIELD_SLACK = 3;
const HEADER_BYTES = 20; // dimensions, null flag, element type, length, lower bound
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;
/** Shorter texts are written character by character, as long as they are ASCII: that costs less than a call. */
const SHORT = 48;
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);
const POSTGRES_EPOCH_DAY = POSTGRES_EPOCH_MS / 86_400_000;

/**
 * One column of a batch, kept as the binary array that PostgreSQL reads: values are written once, straight
 * from the bytes they arrived in, without becoming strings or being quoted.
 * Layout: src/backend/utils/adt/arrayfuncs.c, array_recv.
 */
export class ColumnBuffer {
  readonly type: ColumnType;
  count = 0;
  #bytes: Buffer;
  #used = HEADER_BYTES;
  #hasNull = 0;

  constructor(type: ColumnType) {
    this.type = type;
    this.#bytes = Buffer.allocUnsafe(FIRST_BYTES);
  }

  /** Bytes held so far; what bounds a batch. */
  get size(): number {
    return this.#used;
  }

  clear(): void {
    this.#used = HEADER_BYTES;
    this.#hasNull = 0;
    this.count = 0;
  }

  null(): void {
    this.#reserve(4);
    this.#used = this.#bytes.writeInt32BE(-1, this.#used);
    this.#hasNull = 1;
    this.count++;
  }

  /** The bytes `source[start, end)` as text (UTF-8), bytes or a uuid. */
  slice(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    this.#reserve(4 + length);
    const bytes = this.#bytes;
    let at = bytes.writeInt32BE(length, this.#used);
    if (length < SHORT) for (let i = start; i < end; i++) bytes[at++] = source[i];
    else {
      bytes.set(source.subarray(start, end), at);
      at += length;
    }
    this.#used = at;
    this.count++;
  }

  /** As `slice`, but an empty value is null. */
  sliceOrNull(source: Uint8Array, start: number, end: number): void {
    if (start === end) this.null();
    else this.slice(source, start, end);
  }

  string(value: string): void {
    const { length } = value;
    this.#reserve(4 + UTF8_BYTES_MAX * length);
    const bytes = this.#bytes;
    const start = this.#used + 4;
    let written = 0;
    if (length < SHORT)
      for (; written < length; written++) {
        const code = value.charCodeAt(written);
        if (code > 0x7f) break;
        bytes[start + written] = code;
      }
    if (written < length) written = bytes.write(value, start);
    bytes.writeInt32BE(written, this.#used);
    this.#used = start + written;
    this.count++;
  }

  uuid(text: string): void {
    this.#reserve(4 + UUID_BYTES);
    const at = this.#bytes.writeInt32BE(UUID_BYTES, this.#used);
    putUuid(this.#bytes, at, text);
    this.#used = at + UUID_BYTES;
    this.count++;
  }

  uuidOrNull(text: string | null | undefined): void {
    if (text) this.uuid(text);
    else this.null();
  }

  bool(value: boolean): void {
    this.#reserve(5);
    this.#used = this.#bytes.writeUInt8(value ? 1 : 0, this.#bytes.writeInt32BE(1, this.#used));
    this.count++;
  }

  int2(value: number): void {
    this.#reserve(6);
    this.#used = this.#bytes.writeInt16BE(value, this.#bytes.writeInt32BE(2, this.#used));
    this.count++;
  }

  int4(value: number): void {
    this.#reserve(8);
    this.#used = this.#bytes.writeInt32BE(value, this.#bytes.writeInt32BE(4, this.#used));
    this.count++;
  }

  /** A safe integer as int8. */
  int8(value: number): void {
    this.#reserve(12);
    const high = Math.floor(value / 4_294_967_296);
    this.#bytes.writeInt32BE(8, this.#used);
    this.#bytes.writeInt32BE(high, this.#used + 4);
    this.#bytes.writeUInt32BE(value - high * 4_294_967_296, this.#used + 8);
    this.#used += 12;
    this.count++;
  }

  /** A date, given as days since 1970-01-01. */
  date(day: number): void {
    this.int4(day - POSTGRES_EPOCH_DAY);
  }

  timestamp(utcMs: number): void {
    this.int8((utcMs - POSTGRES_EPOCH_MS) * 1000);
  }

  /** Appends the values of another column of the same type that stand at `indexes`, which rise. */
  take(from: ColumnBuffer, indexes: readonly number[]): void {
    let at = HEADER_BYTES;
    let index = 0;
    for (const wanted of indexes) {
      for (; index < wanted; index++) at += 4 + Math.max(0, from.#bytes.readInt32BE(at));
      const length = from.#bytes.readInt32BE(at);
      if (length < 0) this.null();
      else this.slice(from.#bytes, at + 4, at + 4 + length);
    }
  }

  /** Appends the `i`th value of another uuid column without nulls. */
  takeUuid(from: ColumnBuffer, i: number): void {
    const at = HEADER_BYTES + i * (4 + UUID_BYTES) + 4;
    this.slice(from.#bytes, at, at + UUID_BYTES);
  }

  /** Whether all values of a text or bytes column are this one. */
  holdsOnly(value: string): boolean {
    const wanted = Buffer.alloc(4 + Buffer.byteLength(value));
    wanted.writeInt32BE(wanted.length - 4);
    wanted.write(value, 4);
    if (this.#used !== HEADER_BYTES + this.count * wanted.length) return false;
    for (let at = HEADER_BYTES; at < this.#used; at += wanted.length)
      for (let i = 0; i < wanted.length; i++) if (this.#bytes[at + i] !== wanted[i]) return false;
    return true;
  }

  /** The values of a text column without nulls. */
  texts(): string[] {
    const texts: string[] = [];
    for (let at = HEADER_BYTES; at < this.#used;) {
      const start = at + 4;
      at = start + this.#bytes.readInt32BE(at);
      texts.push(this.#bytes.toString('utf8', start, at));
    }
    return texts;
  }

  /** The `i`th value of an int8 column without nulls, all of which are safe integers. */
  int8At(i: number): number {
    const at = HEADER_BYTES + i * 12 + 4;
    return this.#bytes.readInt32BE(at) * 4_294_967_296 + this.#bytes.readUInt32BE(at + 4);
  }

  /** The `i`th value of a uuid column without nulls. It shares memory with the column. */
  uuidAt(i: number): Buffer {
    const at = HEADER_BYTES + i * 20 + 4;
    return this.#bytes.subarray(at, at + 16);
  }

  /** Where the values of an int4 column without nulls stand that are wanted. */
  indexes(wanted: (value: number) => boolean): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.count; i++)
      if (wanted(this.#bytes.readInt32BE(HEADER_BYTES + i * 8 + 4))) found.push(i);
    return found;
  }

  /**
   * Each value's length and bytes, one after the other, and `FIELD_SLACK` bytes of no meaning. They share memory with
   * the column, as `array` does.
   */
  fields(): Buffer {
    return this.#bytes.subarray(HEADER_BYTES, this.#used + FIELD_SLACK);
  }

  /** The finished array. It shares memory with the column and holds until `clear` or the next value. */
  array(): Buffer {
    this.#bytes.writeInt32BE(this.count === 0 ? 0 : 1, 0);
    this.#bytes.writeInt32BE(this.#hasNull, 4);
    this.#bytes.writeInt32BE(ELEMENT_OID[this.type], 8);
    if (this.count === 0) return this.#bytes.subarray(0, 12);
    this.#bytes.writeInt32BE(this.count, 12);
    this.#bytes.writeInt32BE(1, 16);
    return this.#bytes.subarray(0, this.#used);
  }

  #reserve(length: number): void {
    const needed = this.#used + length + FIELD_SLACK;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, needed));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }
}
