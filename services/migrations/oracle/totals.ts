import { follow, rowOf } from './fields.ts';
import type { Line } from './lines.ts';

/** Sums per currency. A currency that was added to is listed even when its sum is 0. */
export type Sums = Map<string, bigint>;

export interface FileTotals {
  readonly card_rows: string;
  readonly hold_rows: string;
  readonly token_rows: string;
  readonly posted_totals: string;
  readonly held_totals: string;
}

export function add(sums: Sums, currency: string, amount: bigint): void {
  sums.set(currency, (sums.get(currency) ?? 0n) + amount);
}

/** The trailer this file should carry. */
export function countTotals(lines: readonly Line[]): FileTotals {
  const rows = (type: string) => String(lines.filter((line) => line.recordType === type).length);
  const posted: Sums = new Map();
  const held: Sums = new Map();
  const seenAccounts = new Set<string>();
  for (const { recordType, fields } of lines) {
    if (fields === null) continue;
    if (recordType === 'C') {
      const row = rowOf('C', fields);
      if (!follow('C', row, ['external_account_id', 'currency', 'posted_minor'])) continue;
      if (seenAccounts.has(row.external_account_id)) continue;
      seenAccounts.add(row.external_account_id);
      add(posted, row.currency, BigInt(row.posted_minor));
    }
    if (recordType === 'O') {
      const row = rowOf('O', fields);
      if (follow('O', row, ['amount_minor', 'currency'])) add(held, row.currency, BigInt(row.amount_minor));
    }
  }
  return {
    card_rows: rows('C'),
    hold_rows: rows('O'),
    token_rows: rows('W'),
    posted_totals: formatSums(posted),
    held_totals: formatSums(held),
  };
}

export const formatSums = (sums: Sums): string =>
  [...sums]
    .map(([currency, sum]) => `${currency}=${sum}`)
    .sort()
    .join(';');

/** `CUR=007` and `CUR=7` are one sum. */
export const canonicalSums = (totals: string): string =>
  totals === ''
    ? ''
    : formatSums(new Map(totals.split(';').map((pair) => [pair.slice(0, 3), BigInt(pair.slice(4))])));
