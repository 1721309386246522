import { isUtf8 } from 'node:buffer';
import { BinRanges } from './bin-ranges.ts';
import { RecordCheck, type InvalidField } from './check-record.ts';
import { isPan } from './field-checks.ts';
import { C, O, rows } from './records.ts';
import { LINE_BYTES_MAX, type Fields } from './split-line.ts';

/** The codes that one line alone decides, in the contract's order. */
export const lineCodes = ['wrong_field_count', 'bad_encoding', 'invalid_field', 'bin_not_declared'] as const;
export type LineCode = (typeof lineCodes)[number];

/** A detail never quotes the line: any field may hold a card number, even where none belongs. */
export type Rejection =
  | InvalidField
  | {
      readonly code: Exclude<LineCode, 'invalid_field'>;
      readonly field?: undefined;
      readonly detail: string;
    };

const BAD_ENCODING: Rejection = { code: 'bad_encoding', detail: 'the line is not valid UTF-8' };
const NOT_DECLARED: Rejection = {
  code: 'bin_not_declared',
  detail: "pan begins with none of the header's bin_ranges",
};

const EXTERNAL_ID = 1;

/**
 * Judges C, O and W lines by themselves. What depends on other lines or on what is here already
 * (`duplicate_row` and everything after it) is not its business.
 */
export class RowCheck {
  readonly #card: RecordCheck;
  readonly #hold: RecordCheck;
  readonly #token: RecordCheck;
  readonly #bins: BinRanges;

  constructor({ binRanges, today }: { binRanges: readonly string[]; today: string }) {
    this.#card = new RecordCheck(rows.C, today);
    this.#hold = new RecordCheck(rows.O, today);
    this.#token = new RecordCheck(rows.W, today);
    this.#bins = new BinRanges(binRanges);
  }

  /** The line's rejection, or null when nothing in the line itself speaks against it. */
  check(fields: Fields, lineIsUtf8: boolean): Rejection | null {
    if (!hasRightCount(fields)) return wrongFieldCount(fields);
    if (!lineIsUtf8) return BAD_ENCODING;
    switch (fields.type) {
      case 'C':
        return (
          this.#card.firstFault(fields) ??
          (this.#bins.has(fields.source, fields.start[C.pan]) ? null : NOT_DECLARED)
        );
      case 'O':
        return this.#hold.firstFault(fields);
      default:
        return this.#token.firstFault(fields);
    }
  }

  /** Whether a C line counts in the trailer's posted totals, rejected or not. */
  statesPosted(fields: Fields): boolean {
    return (
      hasRightCount(fields) &&
      this.#card.faultOf(fields, C.external_account_id) === null &&
      this.#card.faultOf(fields, C.currency) === null &&
      this.#card.faultOf(fields, C.posted_minor) === null
    );
  }

  /** Whether an O line counts in the trailer's held totals, rejected or not. */
  statesHeld(fields: Fields): boolean {
    return (
      hasRightCount(fields) &&
      this.#hold.faultOf(fields, O.amount_minor) === null &&
      this.#hold.faultOf(fields, O.currency) === null
    );
  }

  /**
   * The id of a rejected line, or '' where it cannot be read: a line with a wrong number of fields has no fields,
   * and where columns were swapped its place may hold a card number or a PIN value, which nobody may see.
   */
  externalId(fields: Fields): string {
    // The three types have the same rule for it, in the same place.
    const isReadable = hasRightCount(fields) && this.#card.faultOf(fields, EXTERNAL_ID) === null;
    return isReadable && !this.#mayBeSecret(fields) ? fields.text(EXTERNAL_ID) : '';
  }

  #mayBeSecret(fields: Fields): boolean {
    const { source, start, end, type } = fields;
    if (isPan(source, start[EXTERNAL_ID], end[EXTERNAL_ID])) return true;
    return (
      type === 'C' &&
      this.#card.faultOf(fields, C.pin_value) !== null &&
      PIN_VALUE.test(fields.text(EXTERNAL_ID))
    );
  }
}

/** What a PIN value of any format looks like. */
const PIN_VALUE = /^(?:[0-9A-Fa-f]{16}|[0-9A-Fa-f]{32}|[0-9]{4,12})$/;

/** How many fields a line of this type has; none for types that are no rows. */
function fieldCount(fields: Fields): number {
  switch (fields.type) {
    case 'C':
      return rows.C.fields.length;
    case 'O':
      return rows.O.fields.length;
    case 'W':
      return rows.W.fields.length;
    default:
      return -1;
  }
}

/** Whether the positions in `fields` mean the fields of its record type. */
function hasRightCount(fields: Fields): boolean {
  return fields.fault === 'none' && fields.count === fieldCount(fields);
}

function wrongFieldCount(fields: Fields): Rejection {
  return { code: 'wrong_field_count', detail: countDetail(fields) };
}

function countDetail({ type, fault, count }: Fields): string {
  if (fault === 'too_long') return `the line is longer than ${LINE_BYTES_MAX} bytes`;
  if (fault === 'quoting') return "the line's quoting is broken";
  if (type === 'C' || type === 'O' || type === 'W') {
    return `the line has ${count} fields, ${type} has ${rows[type].fields.length}`;
  }
  return 'the first field names no record type';
}

/**
 * Tells which lines of a batch are valid UTF-8. Line ends are ASCII, so a batch that is valid as a whole has
 * only valid lines, and the usual file costs one native call per batch.
 */
export class Utf8Lines {
  readonly #bytes: Buffer;
  readonly #allValid: boolean;

  constructor(batch: Buffer) {
    this.#bytes = batch;
    this.#allValid = isUtf8(batch);
  }

  isValid(start: number, end: number): boolean {
    return this.#allValid || isUtf8(this.#bytes.subarray(start, end));
  }
}
