import { contentFault, type Format, PREFIX_DIGITS, wireLength } from './format.ts';
import { iso87ascii } from './iso87ascii.ts';
import { FIELD_MAX, type Message } from './message.ts';

/** A value that its field cannot carry: a defect of whoever made the message. */
export class Unpackable extends Error {
  readonly field: number;

  constructor(field: number, reason: string) {
    super(`field ${field} ${reason}`);
    this.name = 'Unpackable';
    this.field = field;
  }
}

/** Writes a message. Values must fit their fields exactly: nothing is padded or cut here. */
export function pack(message: Message, format: Format = iso87ascii): Buffer {
  if (!/^\d{4}$/.test(message.mti)) throw new Unpackable(0, 'must be four digits');
  const words = [0, 0, 0, 0];
  let body = '';
  for (let field = 2; field <= FIELD_MAX; field++) {
    const value = message.get(field);
    if (value === undefined) continue;
    words[(field - 1) >> 5] |= 1 << (31 - ((field - 1) & 31));
    body += fieldText(field, value, format);
  }
  const isLong = words[2] !== 0 || words[3] !== 0;
  if (isLong) words[0] |= 1 << 31;
  let bitmap = hex(words[0]) + hex(words[1]);
  if (isLong) bitmap += hex(words[2]) + hex(words[3]);
  return Buffer.from(message.mti + bitmap + body, 'latin1');
}

function fieldText(field: number, value: string, format: Format): string {
  const rule = format[field];
  if (!rule) throw new Unpackable(field, 'is unknown to this format');
  const length = wireLength(rule);
  const digits = PREFIX_DIGITS[rule.kind];
  if (digits === 0 ? value.length !== length : value.length > length)
    throw new Unpackable(field, `must have ${digits === 0 ? '' : 'up to '}${length} characters`);
  const fault = contentFault(rule.kind, value);
  if (fault) throw new Unpackable(field, fault);
  if (!isLatin1(value)) throw new Unpackable(field, 'holds a character that is not of latin1');
  return digits === 0 ? value : String(value.length).padStart(digits, '0') + value;
}

const hex = (word: number): string => (word >>> 0).toString(16).toUpperCase().padStart(8, '0');

function isLatin1(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0xff) return false;
  return true;
}
