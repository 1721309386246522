import { currencyNumber, isCountry } from './code-lists.ts';
import { readDate, readInstant } from './read-time.ts';
import type { RecordDeclaration } from './records.ts';
import { pinShapes, WHOLE_MAX, type CharacterSet, type Rule } from './rules.ts';
import type { Fields } from './split-line.ts';

/**
 * Whether the field `[start, end)` of `source` follows its rule; `fields` is for rules that look at another
 * field, which by then has been found good. Line breaks and NUL in free text are the caller's to look for:
 * the splitter knows of them at no cost.
 */
export type Check = (source: Buffer, start: number, end: number, fields: Fields) => boolean;

const ZERO = 0x30;
const MINUS = 0x2d;
const PLUS = 0x2b;
const AT = 0x40;
const DOT = 0x2e;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
const EMAIL_MAX = 254;

/** One check per field, in order. `today` is a date as `readDate` gives it, for the rules that need one. */
export function compileChecks(record: RecordDeclaration, today: number | null): Check[] {
  const indexOf = (name: string): number => record.fields.findIndex((field) => field.name === name);
  return record.fields.map((field) => compile(field.rule, today, indexOf));
}

function compile(rule: Rule, today: number | null, indexOf: (name: string) => number): Check {
  switch (rule.kind) {
    case 'type':
      return equals(rule.type);
    case 'characters':
      return characters(rule.set, rule.min, rule.max, rule.optional);
    case 'text':
      return text(rule.min, rule.max, rule.optional);
    case 'one_of':
      return oneOf(rule.values, rule.optional);
    case 'whole':
      return whole(rule.min, rule.max, rule.optional);
    case 'currency':
      return (source, start, end) => currencyNumber(source, start, end) >= 0;
    case 'country':
      return isCountry;
    case 'month':
      return isMonth;
    case 'date':
      if (!rule.notAfterToday) return date(Infinity);
      if (today === null) throw new Error('a rule about the future needs to know the date');
      return date(today);
    case 'instant':
      return rule.laterThan === null ? isInstant : instantAfter(indexOf(rule.laterThan));
    case 'pan':
      return isPan;
    case 'email':
      return isEmail;
    case 'phone':
      return isPhone;
    case 'pin_value':
      return pinValue(indexOf(rule.format));
    case 'characters_with':
      return charactersWith(characters(rule.set, rule.min, rule.max, false), indexOf(rule.field));
    case 'whole_only_for':
      return wholeOnlyFor(indexOf(rule.field), rule.value);
    case 'bin_ranges':
      return isBinRanges;
    case 'sequence':
      return sequence(indexOf(rule.field), rule.value);
    case 'totals':
      return isTotals;
  }
}

/** A table of 256 flags from the contract's notation, for instance `A-Z a-z 0-9 . _ -`. */
function byteTable(set: CharacterSet): Uint8Array {
  const table = new Uint8Array(256);
  for (const part of set.split(' ')) {
    const last = part.charCodeAt(part.length - 1);
    for (let byte = part.charCodeAt(0); byte <= last; byte++) table[byte] = 1;
  }
  return table;
}

function allIn(table: Uint8Array, source: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (table[source[i]] === 0) return false;
  return true;
}

const digitTable = byteTable('0-9');

function characters(set: CharacterSet, min: number, max: number, optional: boolean): Check {
  const table = byteTable(set);
  return (source, start, end) => {
    const length = end - start;
    if (length < min || length > max) return optional && length === 0;
    return allIn(table, source, start, end);
  };
}

function text(min: number, max: number, optional: boolean): Check {
  return (source, start, end) => {
    const bytes = end - start;
    if (bytes === 0) return optional;
    // A code point has at least one byte, so short text needs no counting.
    if (bytes <= max && min <= 1) return true;
    const length = codePoints(source, start, end);
    return length >= min && length <= max;
  };
}

/** In valid UTF-8 every code point has exactly one byte that is no continuation byte. */
function codePoints(source: Buffer, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if ((source[i] & 0xc0) !== 0x80) count++;
  return count;
}

function equals(value: string): Check {
  const bytes = Buffer.from(value);
  return (source, start, end) => holds(bytes, source, start, end);
}

function holds(bytes: Buffer, source: Buffer, start: number, end: number): boolean {
  if (end - start !== bytes.length) return false;
  for (let i = 0; i < bytes.length; i++) if (source[start + i] !== bytes[i]) return false;
  return true;
}

function oneOf(values: readonly string[], optional: boolean): Check {
  const candidates = values.map((value) => Buffer.from(value));
  return (source, start, end) => {
    if (start === end) return optional;
    for (let i = 0; i < candidates.length; i++) if (holds(candidates[i], source, start, end)) return true;
    return false;
  };
}

/** The whole number in ASCII digits, with an optional minus; NaN when it is none or beyond 2^53-1. */
export function readWhole(source: Buffer, start: number, end: number): number {
  const negative = start < end && source[start] === MINUS;
  let i = negative ? start + 1 : start;
  if (i === end) return NaN;
  let value = 0;
  for (; i < end; i++) {
    const digit = source[i] - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
    if (value > WHOLE_MAX) return NaN;
  }
  // `0 - value` rather than `-value`: minus zero is no number of minor units.
  return negative ? 0 - value : value;
}

function whole(min: number, max: number, optional: boolean): Check {
  return (source, start, end) => {
    if (start === end) return optional;
    if (min >= 0 && source[start] === MINUS) return false;
    const value = readWhole(source, start, end);
    return value >= min && value <= max;
  };
}

function wholeOnlyFor(other: number, value: string): Check {
  const any = whole(0, WHOLE_MAX, false);
  const zero = whole(0, 0, false);
  const bytes = Buffer.from(value);
  return (source, start, end, fields) =>
    holds(bytes, source, fields.start[other], fields.end[other])
      ? any(source, start, end, fields)
      : zero(source, start, end, fields);
}

function sequence(other: number, value: string): Check {
  const counted = whole(1, WHOLE_MAX, false);
  const zero = whole(0, 0, false);
  const bytes = Buffer.from(value);
  return (source, start, end, fields) =>
    holds(bytes, source, fields.start[other], fields.end[other])
      ? zero(source, start, end, fields)
      : counted(source, start, end, fields);
}

function isMonth(source: Buffer, start: number, end: number): boolean {
  if (end - start !== 4 || !allIn(digitTable, source, start, end)) return false;
  const month = (source[start + 2] - ZERO) * 10 + source[start + 3] - ZERO;
  return month >= 1 && month <= 12;
}

function date(latest: number): Check {
  return (source, start, end) => {
    if (end - start !== 10) return false;
    const value = readDate(source, start);
    return value > 0 && value <= latest;
  };
}

function isInstant(source: Buffer, start: number, end: number): boolean {
  return readInstant(source, start, end) > 0;
}

function instantAfter(other: number): Check {
  return (source, start, end, fields) =>
    readInstant(source, start, end) > readInstant(source, fields.start[other], fields.end[other]);
}

/** The digit sum of twice a digit. */
const doubled = Uint8Array.from([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]);

export function isPan(source: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length < 13 || length > 19) return false;
  let sum = 0;
  let twice = (length & 1) === 0;
  for (let i = start; i < end; i++) {
    const digit = source[i] - ZERO;
    if (digit < 0 || digit > 9) return false;
    sum += twice ? doubled[digit] : digit;
    twice = !twice;
  }
  return sum % 10 === 0;
}

function isEmail(source: Buffer, start: number, end: number): boolean {
  if (start === end) return true;
  let at = -1;
  let dotInDomain = false;
  for (let i = start; i < end; i++) {
    const byte = source[i];
    if (byte === AT) {
      if (at >= 0) return false;
      at = i;
    } else if (byte === SPACE) return false;
    else if (byte === DOT && at >= 0) dotInDomain = true;
  }
  if (at <= start || !dotInDomain) return false;
  return end - start <= EMAIL_MAX || codePoints(source, start, end) <= EMAIL_MAX;
}

function isPhone(source: Buffer, start: number, end: number): boolean {
  if (start === end) return true;
  const count = end - start - 1;
  return source[start] === PLUS && count >= 7 && count <= 15 && allIn(digitTable, source, start + 1, end);
}

function pinValue(format: number): Check {
  const shapes = pinShapes.map((shape) => ({
    format: Buffer.from(shape.format),
    check: characters(shape.set, shape.min, shape.max, false),
  }));
  return (source, start, end, fields) => {
    const from = fields.start[format];
    const to = fields.end[format];
    if (from === to) return start === end;
    for (let i = 0; i < shapes.length; i++) {
      if (holds(shapes[i].format, source, from, to)) return shapes[i].check(source, start, end, fields);
    }
    return false;
  };
}

function charactersWith(check: Check, other: number): Check {
  return (source, start, end, fields) =>
    fields.isEmpty(other) ? start === end : check(source, start, end, fields);
}

function isBinRanges(source: Buffer, start: number, end: number): boolean {
  for (let from = start; ;) {
    const to = endOfItem(source, from, end);
    if (to - from < 6 || to - from > 8 || !allIn(digitTable, source, from, to)) return false;
    if (to === end) return true;
    from = to + 1;
  }
}

/** Enough for the largest sum there can be: 2^53 lines of 2^53 minor units have 32 digits. */
const SUM_DIGITS_MAX = 40;

function isTotals(source: Buffer, start: number, end: number): boolean {
  if (start === end) return true;
  let previous = -1;
  for (let from = start; ;) {
    const to = endOfItem(source, from, end);
    // Currencies are numbered alphabetically, so rising numbers are alphabetical order without repeats.
    const number = to - from < 5 ? -1 : currencyNumber(source, from, from + 3);
    if (number <= previous || source[from + 3] !== 0x3d) return false;
    previous = number;
    const digits = source[from + 4] === MINUS ? from + 5 : from + 4;
    if (to === digits || to - digits > SUM_DIGITS_MAX || !allIn(digitTable, source, digits, to)) return false;
    if (to === end) return true;
    from = to + 1;
  }
}

function endOfItem(source: Buffer, from: number, end: number): number {
  let to = from;
  while (to < end && source[to] !== SEMICOLON) to++;
  return to;
}
