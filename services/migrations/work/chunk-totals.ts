import type { Outcome, RecordType } from './outcome.ts';

/** Sums of minor units by currency, as JSON can carry them. */
export type MinorText = Record<string, string>;

/** What a chunk adds to the books: lines by type and outcome, reasons, and the sums that its accepted lines state. */
export interface ChunkTotals {
  readonly rows: Partial<Record<RecordType, Partial<Record<Outcome, number>>>>;
  readonly rejections: Record<string, number>;
  readonly invalidFields: Record<string, number>;
  readonly posted: MinorText;
  readonly held: MinorText;
}

export const noTotals = (): ChunkTotals => ({
  rows: {},
  rejections: {},
  invalidFields: {},
  posted: {},
  held: {},
});

export function countLine(totals: ChunkTotals, type: RecordType, outcome: Outcome, by = 1): void {
  const byOutcome = (totals.rows[type] ??= {});
  byOutcome[outcome] = (byOutcome[outcome] ?? 0) + by;
}

export const addMinor = (sums: MinorText, currency: string, minor: bigint): void => {
  sums[currency] = String(BigInt(sums[currency] ?? 0) + minor);
};

const addCounts = (into: Record<string, number>, counts: Record<string, number>) => {
  for (const [name, count] of Object.entries(counts)) into[name] = (into[name] ?? 0) + count;
};

export function addTotals(into: ChunkTotals, more: ChunkTotals): void {
  for (const [type, counts] of Object.entries(more.rows))
    addCounts(
      (into.rows[type as RecordType] ??= {}) as Record<string, number>,
      counts as Record<string, number>,
    );
  addCounts(into.rejections, more.rejections);
  addCounts(into.invalidFields, more.invalidFields);
  for (const [currency, minor] of Object.entries(more.posted)) addMinor(into.posted, currency, BigInt(minor));
  for (const [currency, minor] of Object.entries(more.held)) addMinor(into.held, currency, BigInt(minor));
}
