import { contentFault, type Format, PREFIX_DIGITS, wireLength } from './format.ts';
import { iso87ascii } from './iso87ascii.ts';
import { Message } from './message.ts';

const MTI_LENGTH = 4;
const BITMAP_LENGTH = 16;
const WORD_LENGTH = 8;
const SECOND_BITMAP = 1;
const BEHIND_LAST = 129;

/** Bytes that are no message. It names the field and what is wrong with it, never a value. */
export class Malformed extends Error {
  /** 0 is the message type, 1 a bitmap, 129 what stands behind the last field. */
  readonly field: number;
  readonly reason: string;
  readonly mti: string | null;
  /** What could be read nevertheless, so that its sender can be answered; the faulty field is not in it. */
  readonly partial: Message | null;

  constructor(field: number, reason: string, partial: Message | null) {
    super(`${PLACES[field] ?? `field ${field}`} ${reason}`);
    this.name = 'Malformed';
    this.field = field;
    this.reason = reason;
    this.mti = partial?.mti ?? null;
    this.partial = partial;
  }
}

const PLACES: Readonly<Record<number, string>> = {
  0: 'the message type',
  1: 'the bitmap',
  [BEHIND_LAST]: 'the end of the message',
};

/**
 * Reads a message, strictly: every field has its length and its characters, and nothing follows the last one.
 * A field that is too long or has wrong characters does not hide those behind it, as long as it says where it ends;
 * the first fault is reported.
 */
export function unpack(bytes: Buffer, format: Format = iso87ascii): Message {
  const text = bytes.toString('latin1');
  const mti = text.substring(0, MTI_LENGTH);
  if (!/^\d{4}$/.test(mti)) throw new Malformed(0, 'must be four digits', null);
  const message = new Message(mti);
  const words = readBitmap(text, MTI_LENGTH, message);
  if (words[0] < 0) words.push(...readBitmap(text, MTI_LENGTH + BITMAP_LENGTH, message));
  const fields = new FieldReader(text, MTI_LENGTH + words.length * WORD_LENGTH, message, format);
  for (let word = 0; word < words.length; word++)
    for (let bits = words[word], field = word * 32 + 1; bits !== 0; bits <<= 1, field++)
      if (bits < 0 && field !== SECOND_BITMAP) fields.read(field); // the highest bit stands for the next field
  fields.end();
  return message;
}

/** A bitmap as two words of 32 bits. */
function readBitmap(text: string, at: number, message: Message): number[] {
  const hex = text.substring(at, at + BITMAP_LENGTH);
  if (hex.length < BITMAP_LENGTH || !/^[0-9A-Fa-f]*$/.test(hex))
    throw new Malformed(1, 'must be 16 hexadecimal digits', message);
  return [
    Number.parseInt(hex.substring(0, WORD_LENGTH), 16) | 0,
    Number.parseInt(hex.substring(WORD_LENGTH), 16) | 0,
  ];
}

/** Takes field after field from the text of a message, and keeps the first fault until it can go no further. */
class FieldReader {
  readonly #text: string;
  #at: number;
  readonly #message: Message;
  readonly #format: Format;
  #fault: Malformed | null = null;

  constructor(text: string, at: number, message: Message, format: Format) {
    this.#text = text;
    this.#at = at;
    this.#message = message;
    this.#format = format;
  }

  read(field: number): void {
    const rule = this.#format[field];
    if (!rule) throw this.#note(field, 'is unknown to this format');
    const { kind } = rule;
    const digits = PREFIX_DIGITS[kind];
    const lengthMax = wireLength(rule);
    let length = lengthMax;
    if (digits > 0) {
      length = readLength(this.#text, this.#at, digits);
      if (length < 0) throw this.#note(field, `must begin with ${digits} digits that count its characters`);
      this.#at += digits;
    }
    const end = this.#at + length;
    if (end > this.#text.length) throw this.#note(field, 'is cut short');
    const value = this.#text.substring(this.#at, end);
    this.#at = end;
    const reason = length > lengthMax ? `is longer than ${lengthMax} characters` : contentFault(kind, value);
    if (reason !== null) this.#note(field, reason);
    else this.#message.set(field, kind === 'bytes' ? value.toUpperCase() : value);
  }

  end(): void {
    if (this.#at < this.#text.length) this.#note(BEHIND_LAST, 'has bytes behind it');
    if (this.#fault) throw this.#fault;
  }

  /** Only the first fault counts: what is read after it may be out of step. */
  #note(field: number, reason: string): Malformed {
    return (this.#fault ??= new Malformed(field, reason, this.#message));
  }
}

/** The number that `digits` digits write; -1 when they are none. */
function readLength(text: string, at: number, digits: number): number {
  let length = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return -1;
    length = length * 10 + digit;
  }
  return length;
}
