import { contentFault, type FieldFormat, type Format, PREFIX_DIGITS, wireLength } from './format.ts';
import { iso87ascii } from './iso87ascii.ts';
import type { Message } from './message.ts';

/** A value that its field cannot carry: a defect of whoever made the message. */
export class Unpackable extends Error {
  readonly field: number;

  constructor(field: number, reason: string) {
    super(`field ${field} ${reason}`);
    this.name = 'Unpackable';
    this.field = field;
  }
}

const MTI_LENGTH = 4;
const BITMAP_LENGTH = 16;
const BODY_AT = MTI_LENGTH + 2 * BITMAP_LENGTH;
const PREFIX_MAX = 3;

/** A message is written here first: put together as a text, each of its fields would be garbage. */
let written = Buffer.alloc(8_192);

/** Writes a message. Values must fit their fields exactly: nothing is padded or cut here. */
export function pack(message: Message, format: Format = iso87ascii): Buffer {
  if (!/^\d{4}$/.test(message.mti)) throw new Unpackable(0, 'must be four digits');
  const words = [0, 0, 0, 0];
  let end = BODY_AT;
  try {
    for (const field of message.fields()) {
      words[(field - 1) >> 5] |= 1 << (31 - ((field - 1) & 31));
      end = putField(end, field, message.get(field)!, format);
    }
    const isLong = words[2] !== 0 || words[3] !== 0;
    if (isLong) words[0] |= 1 << 31;
    const start = isLong ? 0 : BITMAP_LENGTH;
    let at = putText(start, message.mti);
    for (let word = 0; at < BODY_AT; word++) at = putText(at, hex(words[word]));
    return Buffer.from(written.subarray(start, end));
  } finally {
    written.fill(0, 0, end); // card numbers do not linger
  }
}

/** Answers where the next field begins. */
function putField(at: number, field: number, value: string, format: Format): number {
  const rule = format[field];
  if (!rule) throw new Unpackable(field, 'is unknown to this format');
  assertFits(field, value, rule);
  const digits = PREFIX_DIGITS[rule.kind];
  reserve(at + PREFIX_MAX + value.length);
  for (let i = digits - 1, length = value.length; i >= 0; i--, length = Math.floor(length / 10))
    written[at + i] = 0x30 + (length % 10);
  return putText(at + digits, value);
}

function assertFits(field: number, value: string, rule: FieldFormat): void {
  const length = wireLength(rule);
  const isFixed = PREFIX_DIGITS[rule.kind] === 0;
  if (isFixed ? value.length !== length : value.length > length)
    throw new Unpackable(field, `must have ${isFixed ? '' : 'up to '}${length} characters`);
  const fault = contentFault(rule.kind, value);
  if (fault) throw new Unpackable(field, fault);
  if (!isLatin1(value)) throw new Unpackable(field, 'holds a character that is not of latin1');
}

function putText(at: number, text: string): number {
  for (let i = 0; i < text.length; i++) written[at + i] = text.charCodeAt(i);
  return at + text.length;
}

function reserve(end: number): void {
  if (end <= written.length) return;
  const larger = Buffer.alloc(Math.max(written.length * 2, end));
  written.copy(larger);
  written.fill(0);
  written = larger;
}

const hex = (word: number): string => (word >>> 0).toString(16).toUpperCase().padStart(8, '0');

function isLatin1(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0xff) return false;
  return true;
}
