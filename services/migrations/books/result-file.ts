import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assertUsable } from '#runtime/openpgp/keys.ts';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import { writeAside } from '#runtime/files/write-aside.ts';
import { Refusal } from '#runtime/refusal.ts';
import { type MigrationCell, migrationId } from '../migration-cell.ts';
import type { Migration } from '../store.ts';
import type { MinorText } from '../work/chunk-totals.ts';
import { type Outcome, OUTCOMES } from '../work/outcome.ts';
import { resultLines } from './result-lines.ts';

export interface ClosedBooks {
  readonly outcomes: Partial<Record<Outcome, number>>;
  readonly posted: MinorText;
  readonly held: MinorText;
  readonly closedAt: Date;
}

export const resultPath = (cell: MigrationCell, importNumber: number): string =>
  join(cell.resultsFolder, `${migrationId(cell, importNumber)}.result.csv.gpg`);

/**
 * Seals the result file: signed by the cell's key, encrypted to the key that signed the portfolio. It is drawn
 * from the recorded outcomes alone, so it can be made again at any time; written aside and renamed, so that
 * nobody ever meets half of one.
 */
export async function writeResultFile(
  cell: MigrationCell,
  migration: Migration,
  books: ClosedBooks,
  path = resultPath(cell, migration.importNumber),
): Promise<string> {
  const keys = await cell.keys();
  const tenantKey = keys.tenant.find(
    (key) => key.getFingerprint().toUpperCase() === migration.signer?.toUpperCase(),
  );
  if (!tenantKey)
    throw new Refusal(
      'tenant_key_missing',
      `The key that signed ${migration.fileId} is no longer registered.`,
      {
        advice:
          'Import it again (relevo keys import FILE --cell … --as tenant), then ask for the result file.',
      },
    );
  await assertUsable(tenantKey, { for: 'encryption' });
  const sealed = sealMessage(resultText(cell, migration, books), {
    signingKey: keys.cell[0],
    encryptionKeys: [tenantKey],
    compress: false,
    filename: `${migrationId(cell, migration.importNumber)}.csv`,
  });
  await mkdir(cell.resultsFolder, { recursive: true, mode: 0o700 });
  await writeAside(path, sealed);
  return path;
}

/** The result file of the portfolio format. */
async function* resultText(
  cell: MigrationCell,
  migration: Migration,
  books: ClosedBooks,
): AsyncGenerator<Buffer> {
  const { fileId, importNumber, rows } = migration;
  const closedAt = `${books.closedAt.toISOString().slice(0, 19)}Z`;
  const id = migrationId(cell, importNumber);
  yield Buffer.from(`H,1,${fileId},${id},${cell.tenant},${cell.environment},${closedAt}\n`);
  yield* resultLines(cell.db, importNumber);
  const lines = Object.values(rows).reduce((sum, count) => sum + count, 0);
  const counts = OUTCOMES.map((outcome) => books.outcomes[outcome] ?? 0);
  yield Buffer.from(`T,${[lines, ...counts, totalsText(books.posted), totalsText(books.held)].join(',')}\n`);
}

const totalsText = (totals: MinorText): string =>
  Object.keys(totals)
    .sort()
    .map((currency) => `${currency}=${totals[currency]}`)
    .join(';');
