import { SpareBuffers } from '#runtime/batch/spare-buffers.ts';
import type { Parameter } from './sql.ts';

/** A value on its way: a Buffer in PostgreSQL's binary form, everything else as text. */
export type WireValue = Buffer | string | null;

/** Throws on what is no value. */
export function wireValue(value: Parameter): WireValue {
  if (value === null || Buffer.isBuffer(value)) return value;
  if (value instanceof Date) return value.toISOString();
  if (value === undefined) throw new TypeError('a statement was given a value that is not there');
  return typeof value === 'object' ? arrayText(value) : String(value);
}

/** PostgreSQL manual, "Array Input and Output Syntax". */
const arrayText = (values: readonly Parameter[]): string =>
  `{${values
    .map((each) => {
      if (Array.isArray(each)) return arrayText(each as readonly Parameter[]);
      const value = wireValue(each);
      if (value === null) return 'NULL';
      const text = typeof value === 'string' ? value : `\\x${value.toString('hex')}`;
      return `"${text.replace(/["\\]/g, '\\$&')}"`;
    })
    .join(',')}}`;

/** Buffers of messages are held until PostgreSQL has answered them, which is when it has read all of them. */
const rooms = new SpareBuffers({ kept: 16, bytesMax: 1024 * 1024 });

const TEXT = 0;
const BINARY = 1;
const TYPE_AND_LENGTH = 5;
/** PostgreSQL takes up a message as a whole before it reads the first row of it. */
const COPY_BYTES = 64 * 1024;

/**
 * Messages of the extended query protocol, one behind the other. Values are laid in when they are given, so whatever
 * holds them may be used again at once.
 * Format: PostgreSQL manual, "Message Formats".
 */
export class WireMessages {
  #room = rooms.take(0);
  #at = 0;
  /** What lies in other memory, and before which byte of ours it leaves. */
  readonly #beside: { readonly before: number; readonly bytes: Buffer }[] = [];

  parse(name: string, text: string): void {
    const start = this.#begin('P');
    this.#text(name);
    this.#text(text);
    this.#int16(0); // PostgreSQL finds the types of parameters
    this.#end(start);
  }

  /** Binds values to a statement and runs it, with its rows as text; `described` asks for the names of these. */
  run(name: string, values: readonly WireValue[], { described }: { described: boolean }): void {
    const bind = this.#begin('B');
    this.#text('');
    this.#text(name);
    this.#int16(values.length);
    for (const value of values) this.#int16(typeof value === 'string' ? TEXT : BINARY);
    this.#int16(values.length);
    for (const value of values) this.#value(value);
    this.#int16(0);
    this.#end(bind);
    if (described) {
      const describe = this.#begin('D');
      this.#text('P');
      this.#end(describe);
    }
    const execute = this.#begin('E');
    this.#text('');
    this.#int32(0); // all rows
    this.#end(execute);
  }

  /** The rows of a COPY; `rows` is not copied. */
  copyData(rows: Buffer): void {
    for (let at = 0; at < rows.length; at += COPY_BYTES) {
      const bytes = rows.subarray(at, at + COPY_BYTES);
      const start = this.#begin('d');
      this.#room.writeInt32BE(this.#at - start + bytes.length, start);
      this.#beside.push({ before: this.#at, bytes });
    }
    this.#end(this.#begin('c'));
  }

  /** Forgets a statement, and does not mind if there is none of that name. */
  forget(name: string): void {
    const start = this.#begin('C');
    this.#text(`S${name}`);
    this.#end(start);
  }

  sync(): void {
    this.#end(this.#begin('S'));
  }

  /** Hands everything on, in order. */
  leaveBy(write: (bytes: Buffer) => void): void {
    let from = 0;
    for (const { before, bytes } of this.#beside) {
      write(this.#room.subarray(from, before));
      write(bytes);
      from = before;
    }
    write(this.#room.subarray(from, this.#at));
  }

  /** PostgreSQL has read it all. */
  release(): void {
    rooms.giveBack(this.#room);
  }

  /** Answers where the length of the message is to stand. */
  #begin(type: string): number {
    this.#reserve(TYPE_AND_LENGTH);
    this.#room[this.#at] = type.charCodeAt(0);
    this.#at += TYPE_AND_LENGTH;
    return this.#at - 4;
  }

  #end(start: number): void {
    this.#room.writeInt32BE(this.#at - start, start);
  }

  #value(value: WireValue): void {
    if (value === null) return this.#int32(-1);
    const length = Buffer.byteLength(value);
    this.#int32(length);
    this.#reserve(length);
    this.#at +=
      typeof value === 'string' ? this.#room.write(value, this.#at) : value.copy(this.#room, this.#at);
  }

  #text(text: string): void {
    this.#reserve(Buffer.byteLength(text) + 1);
    this.#at += this.#room.write(text, this.#at);
    this.#room[this.#at++] = 0;
  }

  #int16(value: number): void {
    this.#reserve(2);
    this.#at = this.#room.writeInt16BE(value, this.#at);
  }

  #int32(value: number): void {
    this.#reserve(4);
    this.#at = this.#room.writeInt32BE(value, this.#at);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#room.length) return;
    const larger = rooms.take(Math.max(this.#at + bytes, 2 * this.#room.length));
    this.#room.copy(larger, 0, 0, this.#at);
    rooms.giveBack(this.#room);
    this.#room = larger;
  }
}
