import { FIELDS_MAX, type LineType } from './records.ts';

/** A longer line is refused by its length alone, so nobody has to hold it whole. Line end not counted. */
export const LINE_BYTES_MAX = 64 * 1024;

export type Fault =
  | 'none'
  /** A quote inside an unquoted field, text after a closing quote, or no closing quote. */
  | 'quoting'
  | 'too_long';

const COMMA = 0x2c;
const QUOTE = 0x22;

/**
 * The fields of one line as positions in `source`; field `i` is the bytes `[start[i], end[i])`, unquoted.
 * One object serves line after line, so positions must be used before the next line is split.
 */
export class Fields {
  /** The bytes the line was split from, or a private copy where doubled quotes had to be undone. */
  source: Buffer = Buffer.alloc(0);
  /** How many fields the line has, also beyond those with positions; of a faulty line those before the fault. */
  count = 0;
  readonly start = new Int32Array(FIELDS_MAX);
  readonly end = new Int32Array(FIELDS_MAX);
  type: LineType = '?';
  fault: Fault = 'none';
  /** Some field holds NUL, CR or LF. */
  hasBreaks = false;
  #copy = Buffer.alloc(0);

  text(i: number): string {
    return this.source.toString('utf8', this.start[i], this.end[i]);
  }

  isEmpty(i: number): boolean {
    return this.start[i] === this.end[i];
  }

  /** A private copy of the line, for unquoting in place. */
  copyLine(source: Buffer, start: number, end: number): Buffer {
    if (this.#copy.length < end - start) this.#copy = Buffer.alloc(end - start);
    source.copy(this.#copy, 0, start, end);
    return this.#copy;
  }
}

/**
 * Splits the line `source[start, end)`, given without its line end, by RFC 4180. The type and the fields
 * before the fault can be read from a broken line too.
 */
export function splitLine(source: Buffer, start: number, end: number, into: Fields): 'ok' | 'broken' {
  const starts = into.start;
  const ends = into.end;
  const tooLong = end - start > LINE_BYTES_MAX;
  let copied = false;
  let hasBreaks = false;
  let quotingFails = false;
  let count = 0;
  let at = start;
  for (;;) {
    let from = at;
    let to: number;
    if (at < end && source[at] === QUOTE) {
      from = to = ++at;
      let closed = false;
      while (at < end) {
        const byte = source[at];
        if (byte === QUOTE) {
          if (at + 1 >= end || source[at + 1] !== QUOTE) {
            closed = true;
            at++;
            break;
          }
          if (!copied) {
            source = into.copyLine(source, start, end);
            for (let i = Math.min(count, FIELDS_MAX) - 1; i >= 0; i--) {
              starts[i] -= start;
              ends[i] -= start;
            }
            from -= start;
            to -= start;
            at -= start;
            end -= start;
            copied = true;
          }
          at++;
        } else if (isBreak(byte)) hasBreaks = true;
        // They part only after a doubled quote, and then `source` is the copy.
        if (to !== at) source[to] = byte;
        to++;
        at++;
      }
      quotingFails = !closed || (at < end && source[at] !== COMMA);
    } else {
      while (at < end) {
        const byte = source[at];
        // Nearly all content lies above the comma; one comparison passes over it.
        if (byte <= COMMA) {
          if (byte === COMMA) break;
          if (byte === QUOTE) {
            quotingFails = true;
            break;
          }
          if (isBreak(byte)) hasBreaks = true;
        }
        at++;
      }
      to = at;
    }
    if (quotingFails) break;
    if (count < FIELDS_MAX) {
      starts[count] = from;
      ends[count] = to;
    }
    count++;
    if (at >= end) break;
    at++;
  }
  into.source = source;
  into.count = count;
  into.hasBreaks = hasBreaks;
  into.type = count > 0 && ends[0] - starts[0] === 1 ? lineType(source[starts[0]]) : '?';
  into.fault = tooLong ? 'too_long' : quotingFails ? 'quoting' : 'none';
  return into.fault === 'none' ? 'ok' : 'broken';
}

function isBreak(byte: number): boolean {
  return byte === 0x00 || byte === 0x0a || byte === 0x0d;
}

function lineType(byte: number): LineType {
  switch (byte) {
    case 0x43:
      return 'C';
    case 0x4f:
      return 'O';
    case 0x57:
      return 'W';
    case 0x48:
      return 'H';
    case 0x54:
      return 'T';
    default:
      return '?';
  }
}
