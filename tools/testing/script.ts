import { csv, goodCard, goodHeader, goodHold, goodToken } from '#services/migrations/portfolio/test-lines.ts';
import { splitLines } from '#services/migrations/oracle/lines.ts';
import { countTotals } from '#services/migrations/oracle/totals.ts';
import { BIN_RANGES, panOf } from './pans.ts';

/**
 * Files written as a person would tell them, each line with what has to become of it:
 *
 *   full
 *   card c1 posted=100          -> migrated
 *   card c2 pan=c1              -> pan_conflict
 *   hold h1 card=c1 amount=60   -> migrated
 *   token t1 card=c9            -> unknown_card
 *   delta
 *   card c1 v=2 posted=250      -> updated
 *
 * `full`, `delta` and `mock` begin a file; `-> code` behind them is the refusal of the whole file. Names are
 * short words and mean ids of this script alone: `card c1` has a card number, an account `c1` and a cardholder
 * `c1` of its own, unless `pan=`, `account=` or `holder=` names another. Other fields go by their name in the
 * contract, empty as `city=`, with spaces as `city="Santa Ana"`. `raw TEXT` is a line as it stands, `trailer`
 * changes figures of the trailer; without it they are what an honest sender counts.
 */
export interface ScriptFile {
  readonly csv: string;
  readonly refusal: string | null;
  /** What has to become of each line: an outcome, or a code, with the field of an `invalid_field`. */
  readonly expected: readonly string[];
  /** The script's own lines, for messages. */
  readonly told: readonly string[];
}

const SHORT_NAMES: Record<string, string> = {
  v: 'version',
  op: 'operation',
  posted: 'posted_minor',
  limit: 'credit_limit_minor',
  amount: 'amount_minor',
};

/** The CSV of every file of a script. `prefix` keeps the ids of scripts apart that run in one cell. */
export function readScript(script: string, prefix: string): ScriptFile[] {
  const files: string[][] = [];
  for (const line of script.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    if (/^(full|delta|mock)\b/.test(line)) files.push([line]);
    else files.at(-1)!.push(line);
  }
  let sequence = 0;
  return files.map(([head, ...told], i) => {
    const { subject, values, verdict } = parse(head);
    const isMock = subject === 'mock';
    const header = {
      ...goodHeader,
      file_id: `${prefix}-${i + 1}`,
      kind: subject,
      sequence: isMock ? '0' : String(sequence + 1),
      source: prefix,
      bin_ranges: BIN_RANGES,
      ...values,
    };
    if (!isMock && verdict === null) sequence++;
    const isTrailer = (line: string) => line.startsWith('trailer ');
    const rows = told.filter((line) => !isTrailer(line)).map((line) => parse(line));
    const trailer = told.filter(isTrailer).map((line) => parse(line).values);
    const lines = [csv(header), ...rows.map((row) => rowText(row, prefix))];
    return {
      csv: withTrailer(lines, trailer[0]),
      refusal: verdict,
      expected: rows.map((row) => row.verdict ?? 'migrated'),
      told: told.filter((line) => !isTrailer(line)),
    };
  });
}

/** Lines of a file, the header among them, with the trailer that an honest sender would write. */
export function withTrailer(
  lines: readonly string[],
  changes: Readonly<Record<string, string>> = {},
  lineEnd = '\n',
): string {
  const totals = { ...countTotals(splitLines(Buffer.from(lines.join('\n') + '\n'))), ...changes };
  const trailer = csv({ record_type: 'T', ...totals });
  return [...lines, trailer, ''].join(lineEnd);
}

interface Told {
  readonly subject: string;
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
  readonly raw: string;
  readonly verdict: string | null;
}

function parse(line: string): Told {
  const [told, verdict = null] = line.split(/\s*->\s*/);
  const [, subject, rest = ''] = /^(\S+)\s*(.*)$/.exec(told)!;
  const pairs = [...rest.matchAll(/(\w+)=(?:"([^"]*)"|(\S*))/g)];
  const values = pairs.map(([, name, quoted, plain]) => [SHORT_NAMES[name] ?? name, quoted ?? plain]);
  const name = /^(?!\w+=)\S*/.exec(rest)?.[0] ?? '';
  return { subject, name, values: Object.fromEntries(values), raw: rest, verdict };
}

function rowText({ subject, name, values, raw }: Told, prefix: string): string {
  const id = (short: string) => `${prefix}-${short}`;
  const { card = name, account = name, holder = name, pan = name, ...fields } = values;
  switch (subject) {
    case 'card':
      return csv({
        ...goodCard,
        external_card_id: id(name),
        pan: /^\d{13,}$/.test(pan) ? pan : panOf(id(pan)),
        external_account_id: id(`a-${account}`),
        external_cardholder_id: id(`h-${holder}`),
        ...fields,
      });
    case 'hold':
      return csv({ ...goodHold, external_hold_id: id(name), external_card_id: id(card), ...fields });
    case 'token':
      return csv({ ...goodToken, external_token_ref: id(name), external_card_id: id(card), ...fields });
    case 'raw':
      return raw;
    default:
      throw new Error(`a script does not know "${subject}"`);
  }
}
