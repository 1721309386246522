import { crashPoint } from '#runtime/crash-point.ts';
import type { Totals } from '#services/ledger/service.ts';
import type { MigrationCell } from '../migration-cell.ts';
import { moveOn, type Migration, setBooks } from '../store.ts';
import { addMinor, type ChunkTotals, type MinorText } from '../work/chunk-totals.ts';
import type { ImportClients } from '../work/importer.ts';
import { bothSides, outcomesOf, sumOfChunks } from './report.ts';
import { writeResultFile } from './result-file.ts';

/**
 * Closes the books of a migration whose every chunk is done: as many lines ended as the file has, of each record
 * type, and the ledger holds what the accepted lines state, in each currency, but for what messages have moved since
 * the moment that the file speaks of. Only then is the result file
 * sealed. May be run again after a crash.
 */
export async function closeBooks(
  cell: MigrationCell,
  migration: Migration,
  clients: ImportClients,
): Promise<{ reconciled: boolean; resultFile: string | null }> {
  const { importNumber } = migration;
  const asOf = migration.fileCreatedAt!;
  await moveOn(cell.db, importNumber, ['working'], 'closing');
  crashPoint('close:begun');
  const sums = await sumOfChunks(cell, importNumber);
  const ledger = await clients.ledger.totalsOfImport({ importNumber, asOf });
  const posted = withOffset(ledger.posted, migration.ledgerOffset.posted);
  const held = withOffset(ledger.held, migration.ledgerOffset.held);
  const reconciled =
    everyLineEnded(migration, sums) && sidesAgree(sums.posted, posted) && sidesAgree(sums.held, held);
  const closedAt = new Date();
  const resultFile = reconciled
    ? await writeResultFile(cell, migration, { outcomes: outcomesOf(sums), posted, held, closedAt })
    : null;
  crashPoint('close:result-written');
  await cell.db.transaction(async (tx) => {
    await setBooks(tx, importNumber, { posted, held, reconciled, closedAt });
    await moveOn(tx, importNumber, ['closing'], 'completed');
  });
  crashPoint('close:recorded');
  return { reconciled, resultFile };
}

function withOffset(totals: Totals, offset: MinorText): MinorText {
  const sums: MinorText = {};
  for (const [currency, minor] of Object.entries(totals)) addMinor(sums, currency, minor);
  for (const [currency, minor] of Object.entries(offset)) addMinor(sums, currency, BigInt(minor));
  return sums;
}

function everyLineEnded(migration: Migration, sums: ChunkTotals): boolean {
  return Object.entries(migration.rows).every(([type, lines]) => {
    const ended = Object.values(sums.rows[type as keyof ChunkTotals['rows']] ?? {});
    return ended.reduce((sum, count) => sum + count, 0) === lines;
  });
}

const sidesAgree = (file: MinorText, ledger: MinorText): boolean =>
  Object.values(bothSides(file, ledger)).every((sides) => sides.file === sides.ledger);
