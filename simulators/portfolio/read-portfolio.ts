import { Refusal } from '#runtime/refusal.ts';
import { linesOf, readFields } from './csv.ts';
import { C, FIELD_COUNTS, H, O } from './fields.ts';

/** A portfolio file in plain text, as its lines say. Card numbers are in it: it stays in memory. */
export interface Portfolio {
  readonly createdAtMs: number;
  readonly tenant: string;
  readonly environment: string;
  readonly kind: string;
  readonly sequence: number;
  readonly source: string;
  readonly binRanges: readonly string[];
  /** Lines as lists of fields. */
  readonly cards: readonly (readonly string[])[];
  readonly holds: readonly (readonly string[])[];
  readonly tokens: readonly (readonly string[])[];
}

/**
 * Reads the plain text of a portfolio file. Checking a file is Relevo's trade; this reader wants a sound one, and
 * names the first line that it cannot use without repeating what it says.
 */
export async function readPortfolio(source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Portfolio> {
  const cards: string[][] = [];
  const holds: string[][] = [];
  const tokens: string[][] = [];
  let header: string[] | null = null;
  let hasTrailer = false;
  let number = 0;
  for await (const line of linesOf(source)) {
    number++;
    const fields = readFields(line);
    if (!fields || fields.length !== FIELD_COUNTS[fields[0]]) throw unusable(number);
    const [type] = fields;
    if (number === 1 ? type !== 'H' : type === 'H' || hasTrailer) throw unusable(number);
    if (type === 'H') header = fields;
    else if (type === 'T') hasTrailer = true;
    else if (type === 'W') tokens.push(fields);
    else if (!hasAmounts(fields)) throw unusable(number);
    else (type === 'C' ? cards : holds).push(fields);
  }
  if (!header || !hasTrailer) throw unusable(number + 1);
  return {
    createdAtMs: Date.parse(header[H.created_at]),
    tenant: header[H.tenant],
    environment: header[H.environment],
    kind: header[H.kind],
    sequence: Number(header[H.sequence]),
    source: header[H.source],
    binRanges: header[H.bin_ranges].split(';'),
    cards,
    holds,
    tokens,
  };
}

/** That the fields with which simulators reckon can be reckoned with. */
function hasAmounts(fields: readonly string[]): boolean {
  if (fields[0] === 'O') {
    const times = [fields[O.approved_at], fields[O.expires_at]].map(Date.parse);
    return Number(fields[O.amount_minor]) >= 1 && times.every(Number.isFinite);
  }
  const numbers = [
    C.version,
    C.posted_minor,
    C.credit_limit_minor,
    C.daily_limit_minor,
    C.monthly_limit_minor,
  ];
  return numbers.every((at) => Number.isSafeInteger(Number(fields[at]))) && /^\d{13,19}$/.test(fields[C.pan]);
}

const unusable = (line: number): Refusal =>
  new Refusal('bad_portfolio', `Line ${line} is not what a portfolio file in plain text has there.`, {
    advice: 'See docs/portfolio-format.md. An OpenPGP message is decrypted first, or use --sample.',
  });
