import type { MigrationCell } from '../migration-cell.ts';
import { migrationId } from '../migration-cell.ts';
import { chunkTotals, type Migration } from '../store.ts';
import { addTotals, type ChunkTotals, type MinorText, noTotals } from '../work/chunk-totals.ts';
import { type Outcome, OUTCOMES } from '../work/outcome.ts';

/** One sum as the file states it and as the ledger has it. */
export interface BothSides {
  readonly file: string;
  readonly ledger: string;
}

/** What a migration amounts to; the document that `migrate start --wait --json` prints. */
export interface MigrationReport {
  readonly migration: string;
  readonly cell: string;
  readonly file_id: string | null;
  readonly state: string;
  readonly refusal: { readonly code: string; readonly message: string } | null;
  readonly rows: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  readonly by_type: Readonly<Record<string, Partial<Record<Outcome, number>>>>;
  readonly rejections: Readonly<Record<string, number>>;
  readonly invalid_fields: Readonly<Record<string, number>>;
  readonly posted: Readonly<Record<string, BothSides>>;
  readonly held: Readonly<Record<string, BothSides>>;
  readonly reconciled: boolean | null;
  readonly result_file: string | null;
  readonly seconds: number;
  readonly cards_per_second: number;
}

export async function sumOfChunks(cell: MigrationCell, importNumber: number): Promise<ChunkTotals> {
  const sum = noTotals();
  for (const totals of await chunkTotals(cell.db, importNumber)) addTotals(sum, totals);
  return sum;
}

/** Lines by outcome over all record types. */
export function outcomesOf(totals: ChunkTotals): Partial<Record<Outcome, number>> {
  const outcomes: Partial<Record<Outcome, number>> = {};
  for (const counts of Object.values(totals.rows))
    for (const outcome of OUTCOMES)
      if (counts[outcome]) outcomes[outcome] = (outcomes[outcome] ?? 0) + counts[outcome];
  return outcomes;
}

export function bothSides(file: MinorText, ledger: MinorText): Record<string, BothSides> {
  const currencies = [...new Set([...Object.keys(file), ...Object.keys(ledger)])].sort();
  return Object.fromEntries(
    currencies.map((currency) => [
      currency,
      { file: file[currency] ?? '0', ledger: ledger[currency] ?? '0' },
    ]),
  );
}

export async function reportMigration(
  cell: MigrationCell,
  migration: Migration,
  run: { resultFile: string | null; seconds?: number },
): Promise<MigrationReport> {
  const totals = await sumOfChunks(cell, migration.importNumber);
  const until = migration.completedAt ?? new Date();
  const seconds = run.seconds ?? (until.getTime() - migration.startedAt.getTime()) / 1000;
  const cards = Object.values(totals.rows.C ?? {}).reduce((sum, count) => sum + count, 0);
  return {
    migration: migrationId(cell, migration.importNumber),
    cell: `${cell.tenant}/${cell.environment}`,
    file_id: migration.fileId,
    state: migration.paused && migration.state !== 'completed' ? 'paused' : migration.state,
    refusal: migration.refusalCode
      ? { code: migration.refusalCode, message: migration.refusalMessage! }
      : null,
    rows: migration.rows,
    outcomes: outcomesOf(totals),
    by_type: totals.rows,
    rejections: totals.rejections,
    invalid_fields: totals.invalidFields,
    posted: bothSides(totals.posted, migration.ledgerPosted),
    held: bothSides(totals.held, migration.ledgerHeld),
    reconciled: migration.reconciled,
    result_file: run.resultFile,
    seconds: Math.round(seconds * 1000) / 1000,
    cards_per_second: seconds > 0 ? Math.round(cards / seconds) : 0,
  };
}
