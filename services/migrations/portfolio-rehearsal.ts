import { Refusal } from '#runtime/refusal.ts';
import { lockCell, rehearseFile } from './file/rehearse-file.ts';
import { type FileRefusal, verifyFile, type VerifyProgress } from './file/verify-file.ts';
import { type MigrationCell, migrationId } from './migration-cell.ts';
import { findActive } from './store.ts';
import { bothSides, type BothSides, outcomesOf } from './books/report.ts';
import { addMinor, addTotals, type MinorText, noTotals } from './work/chunk-totals.ts';
import { ByteWriter } from './work/byte-writer.ts';
import type { Outcome } from './work/outcome.ts';

/** What checking a file can tell before it is loaded. */
export interface Expectation {
  readonly cell: string;
  readonly file_id: string | null;
  readonly refusal: FileRefusal | null;
  /** The migration that this very file has already, if any: it would not be loaded again. */
  readonly known_as: string | null;
  readonly rows: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  readonly by_type: Readonly<Record<string, Partial<Record<Outcome, number>>>>;
  readonly rejections: Readonly<Record<string, number>>;
  readonly invalid_fields: Readonly<Record<string, number>>;
  readonly posted: Readonly<Record<string, BothSides>>;
  readonly held: Readonly<Record<string, BothSides>>;
}

export interface ValidateHooks {
  readonly onVerify?: VerifyProgress;
  readonly onLines?: (done: number, total: number) => void;
  /** Given the result lines of each chunk: cards in file order first, then what hangs on them. */
  readonly onResults?: (lines: Buffer) => Promise<void> | void;
}

/** The import number of a validation. No import carries it, and nothing that it writes stays. */
const NO_IMPORT = 0;

/** Tells what would become of a file and its every line, by doing it on a trial that keeps nothing. */
export async function validatePortfolio(
  cell: MigrationCell,
  path: string,
  hooks: ValidateHooks,
): Promise<Expectation> {
  const verification = await verifyFile(cell, path, { onProgress: hooks.onVerify });
  const nothing = {
    cell: `${cell.tenant}/${cell.environment}`,
    refusal: null,
    known_as: null,
    rows: {},
    outcomes: {},
    by_type: {},
    rejections: {},
    invalid_fields: {},
    posted: {},
    held: {},
  };
  if (verification.verdict === 'refused')
    return { ...nothing, file_id: verification.fileId, refusal: verification.refusal };
  const { file } = verification;
  using _ = file.chunks;
  const known = { file_id: file.header.fileId, rows: file.scan.rows };
  if (verification.verdict === 'known')
    return { ...nothing, ...known, known_as: migrationId(cell, verification.earlier.importNumber) };
  const active = await findActive(cell.db);
  if (active)
    throw new Refusal('cell_busy', `${migrationId(cell, active.importNumber)} is under way in this cell.`, {
      advice: 'What a file would do can be told when that migration is done.',
    });

  const sums = noTotals();
  const ledger = { posted: {} as MinorText, held: {} as MinorText };
  const writer = new ByteWriter();
  const trial = await cell.trial();
  try {
    await lockCell(trial.db);
    let done = 0;
    for await (const chunk of rehearseFile(cell, trial, NO_IMPORT, file)) {
      addTotals(sums, chunk.results.totals());
      writer.clear();
      chunk.results.write(writer);
      await hooks.onResults?.(writer.bytes);
      done += chunk.lines.count;
      hooks.onLines?.(done, file.scan.lines);
    }
    const totals = await trial.clients.ledger.totalsOfImport({
      importNumber: NO_IMPORT,
      asOf: new Date(file.header.createdAt),
    });
    for (const [currency, minor] of Object.entries(totals.posted)) addMinor(ledger.posted, currency, minor);
    for (const [currency, minor] of Object.entries(totals.held)) addMinor(ledger.held, currency, minor);
  } finally {
    await trial.close();
  }
  return {
    ...nothing,
    ...known,
    outcomes: outcomesOf(sums),
    by_type: sums.rows,
    rejections: sums.rejections,
    invalid_fields: sums.invalidFields,
    posted: bothSides(sums.posted, ledger.posted),
    held: bothSides(sums.held, ledger.held),
  };
}
