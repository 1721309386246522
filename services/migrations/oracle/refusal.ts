import { firstInvalid, rowOf, type Row } from './fields.ts';
import type { Line } from './lines.ts';
import type { OracleState } from './state.ts';
import { canonicalSums, countTotals, type FileTotals } from './totals.ts';

export type RefusalCode =
  | 'bad_header'
  | 'unsupported_version'
  | 'wrong_cell'
  | 'file_id_reused'
  | 'bad_sequence'
  | 'missing_trailer'
  | 'control_totals_mismatch';

export interface Refusal {
  code: RefusalCode;
  /** For `control_totals_mismatch`: every figure that differs. */
  figures?: { name: keyof FileTotals; sent: string; counted: string }[];
}

export interface Cell {
  readonly tenant: string;
  readonly environment: string;
  /** `YYYY-MM-DD`: nobody is born after this day. */
  readonly today: string;
}

/** The header of a file, or why it cannot be one of this cell. */
export function readHeader(line: Line | undefined, cell: Cell): Row | Refusal {
  if (line?.recordType !== 'H' || !line.isUtf8) return { code: 'bad_header' };
  if (line.fields === null) {
    // Another version may well have another number of fields, so it is named as far as it can be read.
    const version = line.anyFields?.[1] ?? '';
    const isAnotherVersion = /^[0-9]+$/.test(version) && BigInt(version) !== 1n;
    return { code: isAnotherVersion ? 'unsupported_version' : 'bad_header' };
  }
  const header = rowOf('H', line.fields);
  if (firstInvalid('H', { ...header, format_version: '1' }, cell.today) !== null)
    return { code: 'bad_header' };
  if (header.format_version !== '1') return { code: 'unsupported_version' };
  if (header.tenant !== cell.tenant || header.environment !== cell.environment) return { code: 'wrong_cell' };
  return header;
}

/** Why a file with a good header is refused, or null. A file loaded before with this content never gets here. */
export function refuseFile(header: Row, lines: readonly Line[], state: OracleState): Refusal | null {
  if (state.files.has(header.file_id)) return { code: 'file_id_reused' };
  const next = (state.sequences.get(header.source) ?? 0n) + 1n;
  if (header.kind !== 'mock' && BigInt(header.sequence) !== next) return { code: 'bad_sequence' };
  const trailer = readTrailer(lines);
  if (trailer === null) return { code: 'missing_trailer' };
  const counted = countTotals(lines);
  const figures = Object.entries(counted).flatMap(([key, figure]) => {
    const name = key as keyof FileTotals;
    const sent = name.endsWith('_rows') ? String(BigInt(trailer[name])) : canonicalSums(trailer[name]);
    return sent === figure ? [] : [{ name, sent, counted: figure }];
  });
  return figures.length > 0 ? { code: 'control_totals_mismatch', figures } : null;
}

function readTrailer(lines: readonly Line[]): Row | null {
  const last = lines.at(-1);
  if (last?.recordType !== 'T' || last.fields === null || !last.isUtf8) return null;
  if (lines.slice(1, -1).some(({ recordType }) => recordType === 'H' || recordType === 'T')) return null;
  const trailer = rowOf('T', last.fields);
  return firstInvalid('T', trailer, '') === null ? trailer : null;
}
