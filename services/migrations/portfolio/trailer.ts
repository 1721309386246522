import { RecordCheck } from './check-record.ts';
import { int } from './read-fields.ts';
import { T, trailer as declaration } from './records.ts';
import type { PlaintextRefusal } from './refusal.ts';
import type { Fields } from './split-line.ts';
import { parseTotals, type Totals } from './totals.ts';

/** What a trailer states, and what counting a file yields. */
export interface ControlTotals {
  readonly cardRows: number;
  readonly holdRows: number;
  readonly tokenRows: number;
  readonly posted: Totals;
  readonly held: Totals;
}

export type MissingTrailer = Extract<PlaintextRefusal, { code: 'missing_trailer' }>;
export type TotalsMismatch = Extract<PlaintextRefusal, { code: 'control_totals_mismatch' }>;
export type TrailerResult =
  | { readonly trailer: ControlTotals; readonly refusal: null }
  | { readonly trailer: null; readonly refusal: MissingTrailer };

/** One figure as the trailer has it and as the file has it; null where a currency is not mentioned. */
export interface Figure {
  readonly field: 'card_rows' | 'hold_rows' | 'token_rows' | 'posted_totals' | 'held_totals';
  readonly currency: string | null;
  readonly sent: bigint | null;
  readonly counted: bigint | null;
}

const check = new RecordCheck(declaration, null);

/** Reads the last line of a file. */
export function readTrailer(fields: Fields, lineIsUtf8: boolean): TrailerResult {
  if (fields.type !== 'T') return missing('the last line is no T line');
  if (fields.fault === 'too_long') return missing('the T line is too long');
  if (fields.fault === 'quoting') return missing("the T line's quoting is broken");
  if (!lineIsUtf8) return missing('the T line is not valid UTF-8');
  const expected = declaration.fields.length;
  if (fields.count !== expected) return missing(`the T line has ${fields.count} fields, T has ${expected}`);
  const fault = check.firstFault(fields);
  if (fault !== null) return missing(`the T line's ${fault.detail}`);
  return {
    refusal: null,
    trailer: {
      cardRows: int(fields, T.card_rows),
      holdRows: int(fields, T.hold_rows),
      tokenRows: int(fields, T.token_rows),
      posted: parseTotals(fields.text(T.posted_totals)),
      held: parseTotals(fields.text(T.held_totals)),
    },
  };
}

export function missingTrailer(detail: string): MissingTrailer {
  return { code: 'missing_trailer', detail };
}

/** Null when trailer and file agree in every figure. */
export function compareTotals(sent: ControlTotals, counted: ControlTotals): TotalsMismatch | null {
  const figures: Figure[] = [
    rowFigure('card_rows', sent.cardRows, counted.cardRows),
    rowFigure('hold_rows', sent.holdRows, counted.holdRows),
    rowFigure('token_rows', sent.tokenRows, counted.tokenRows),
    ...sumFigures('posted_totals', sent.posted, counted.posted),
    ...sumFigures('held_totals', sent.held, counted.held),
  ];
  const different = figures.filter(differs);
  if (different.length === 0) return null;
  return { code: 'control_totals_mismatch', detail: different.map(figureSentence).join('; '), figures };
}

export function differs(figure: Figure): boolean {
  return figure.sent !== figure.counted;
}

function figureSentence({ field, currency, sent, counted }: Figure): string {
  const name = currency === null ? field : `${field} ${currency}`;
  return `${name}: sent ${sent ?? 'nothing'}, counted ${counted ?? 'nothing'}`;
}

function rowFigure(field: Figure['field'], sent: number, counted: number): Figure {
  return { field, currency: null, sent: BigInt(sent), counted: BigInt(counted) };
}

function sumFigures(field: Figure['field'], sent: Totals, counted: Totals): Figure[] {
  const codes = [...new Set([...sent.keys(), ...counted.keys()])].sort();
  return codes.map((currency) => ({
    field,
    currency,
    sent: sent.get(currency) ?? null,
    counted: counted.get(currency) ?? null,
  }));
}

function missing(detail: string): TrailerResult {
  return { trailer: null, refusal: missingTrailer(detail) };
}
