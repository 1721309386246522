import { createHash } from 'node:crypto';
import type { Row } from './fields.ts';
import { RowJudge, type Accepted, type RejectionCode, type Verdict } from './judge-rows.ts';
import { splitLines, type Line } from './lines.ts';
import { readHeader, refuseFile, type Cell, type Refusal } from './refusal.ts';
import type { OracleState } from './state.ts';
import type { Sums } from './totals.ts';

export interface LineJudgement {
  /** Line 1 is the header. */
  line: number;
  recordType: 'C' | 'O' | 'W' | '?';
  /** Empty where it cannot be read: the line has no fields, or the id breaks its own rule. */
  externalId: string;
  outcome: Accepted | 'rejected';
  code?: RejectionCode;
  /** The field's name, for `invalid_field`. */
  field?: string;
}

export interface Judgement {
  refusal: Refusal | null;
  /** Lines per record type; types that do not occur are 0, lines of an unknown type are in none. */
  rows: { C: number; O: number; W: number };
  outcomes: Record<string, number>;
  /** Outcomes per record type, `?` included. */
  byType: Record<string, Record<string, number>>;
  byLine: LineJudgement[];
  rejections: Record<string, number>;
  invalidFields: Record<string, number>;
  /** Posted balances of the accounts of accepted lines, each account once, per currency. */
  posted: Record<string, string>;
  /** Amounts of accepted holds, per currency. */
  held: Record<string, string>;
}

/**
 * What the contract says about one file (the plaintext of its envelope): a second, naive reading to hold
 * the fast one against. It shares no code with the rest of the project, keeps everything in memory and
 * prefers the contract's words to speed. An accepted `full` or `delta` changes `state`; a refused file and
 * a `mock` leave it as it was.
 */
export function judgePortfolio(csv: Buffer, state: OracleState, cell: Cell): Judgement {
  const lines = splitLines(csv);
  const header = readHeader(lines[0], cell);
  if ('code' in header) return refused(header as Refusal);

  const sha256 = createHash('sha256').update(csv).digest('hex');
  const earlier = state.files.get(header.file_id);
  if (earlier?.sha256 === sha256) return earlier.judgement;
  const refusal = refuseFile(header, lines, state);
  if (refusal !== null) return refused(refusal);

  if (header.kind === 'mock') return judgeRows(lines, header, structuredClone(state), cell.today);
  const judgement = judgeRows(lines, header, state, cell.today);
  state.files.set(header.file_id, { sha256, judgement });
  state.sequences.set(header.source, BigInt(header.sequence));
  return judgement;
}

function judgeRows(lines: readonly Line[], header: Row, state: OracleState, today: string): Judgement {
  const judge = new RowJudge({ state, header, today });
  const verdicts = new Map<Line, Verdict>();
  const rows = lines.slice(1, -1);
  const cardsFirst = [
    ...rows.filter(({ recordType }) => recordType === 'C'),
    ...rows.filter(({ recordType }) => recordType !== 'C'),
  ];
  for (const row of cardsFirst) verdicts.set(row, judge.judge(row));

  const byLine = rows.map((row, i): LineJudgement => {
    const recordType = row.recordType as LineJudgement['recordType'];
    const verdict = verdicts.get(row);
    if (verdict === undefined) throw new Error('every line is judged');
    return { line: i + 2, recordType, externalId: externalIdOf(row), ...verdict };
  });
  const ofType = (type: string) => byLine.filter(({ recordType }) => recordType === type);
  const types = ['C', 'O', 'W', '?'].filter((type) => ofType(type).length > 0);
  return {
    refusal: null,
    rows: { C: ofType('C').length, O: ofType('O').length, W: ofType('W').length },
    outcomes: countBy(byLine, ({ outcome }) => outcome),
    byType: Object.fromEntries(types.map((type) => [type, countBy(ofType(type), ({ outcome }) => outcome)])),
    byLine,
    rejections: countBy(byLine, ({ code }) => code),
    invalidFields: countBy(byLine, ({ field }) => field),
    posted: perCurrency(judge.posted),
    held: perCurrency(judge.held),
  };
}

function externalIdOf({ recordType, fields }: Line): string {
  const id = recordType === '?' ? '' : (fields?.[1] ?? '');
  return /^[A-Za-z0-9._-]{1,64}$/.test(id) ? id : '';
}

function countBy(judged: LineJudgement[], key: (one: LineJudgement) => string | undefined) {
  const counts: Record<string, number> = {};
  for (const one of judged) {
    const name = key(one);
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const perCurrency = (sums: Sums): Record<string, string> =>
  Object.fromEntries([...sums].sort().map(([currency, sum]) => [currency, String(sum)]));

const refused = (refusal: Refusal): Judgement => ({
  refusal,
  rows: { C: 0, O: 0, W: 0 },
  outcomes: {},
  byType: {},
  byLine: [],
  rejections: {},
  invalidFields: {},
  posted: {},
  held: {},
});
