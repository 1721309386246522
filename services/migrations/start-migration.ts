import { setTimeout as sleep } from 'node:timers/promises';
import { crashPoint } from '#runtime/crash-point.ts';
import { Refusal } from '#runtime/refusal.ts';
import { lockCell, rehearseFile } from './file/rehearse-file.ts';
import { loadFile } from './file/load-file.ts';
import { type FileRefusal, type VerifiedFile, verifyFile, type VerifyProgress } from './file/verify-file.ts';
import { closeBooks } from './books/close-books.ts';
import { type MigrationCell, migrationId } from './migration-cell.ts';
import { compress } from './queue/chunk-payload.ts';
import { ORDERED_LANE } from './queue/chunk-queue.ts';
import {
  addMigration,
  addRefusal,
  drive,
  findActive,
  findMigration,
  findSameFile,
  type Migration,
  queueState,
  setLoaded,
  stopDriving,
} from './store.ts';
import { ByteWriter } from './work/byte-writer.ts';

export type Started =
  | { readonly verdict: 'refused'; readonly refusal: FileRefusal; readonly migration: Migration }
  /** `resumes` tells a file that was started before from a new one. */
  | {
      readonly verdict: 'accepted';
      readonly migration: Migration;
      readonly file: VerifiedFile;
      readonly resumes: boolean;
    };

/**
 * Verifies a file and enters it as a migration. The same file again answers the migration it has already. Whoever is
 * given a file disposes of its lines.
 */
export async function startMigration(
  cell: MigrationCell,
  path: string,
  onProgress?: VerifyProgress,
): Promise<Started> {
  const verification = await verifyFile(cell, path, { onProgress });
  if (verification.verdict === 'refused') {
    const { refusal, fileId } = verification;
    const importNumber = await addRefusal(cell.db, { path, fileId, ...refusal });
    return { verdict: 'refused', refusal, migration: (await findMigration(cell.db, importNumber))! };
  }
  const { file } = verification;
  crashPoint('verify:done');
  if (verification.verdict === 'known')
    return { verdict: 'accepted', migration: verification.earlier, file, resumes: true };
  try {
    return await enterMigration(cell, path, file);
  } catch (error) {
    file.chunks[Symbol.dispose]();
    throw error;
  }
}

async function enterMigration(cell: MigrationCell, path: string, file: VerifiedFile): Promise<Started> {
  const { header, scan, signer, judgedOn, chunks } = file;
  try {
    const importNumber = await cell.db.transaction(async (tx) => {
      await lockCell(tx);
      return addMigration(tx, {
        ...header,
        judgedOn,
        plaintextSha256: scan.plaintextSha256,
        plaintextBytes: scan.plaintextBytes,
        signer,
        path,
        rows: scan.rows,
        chunkLines: chunks.chunkLines,
      });
    });
    crashPoint('load:entered');
    const migration = (await findMigration(cell.db, importNumber))!;
    return { verdict: 'accepted', migration, file, resumes: false };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== '23505' && code !== 'cell_busy') throw error;
    // Somebody else was quicker: with this very file, or with another one.
    const same = await findSameFileSoon(cell, scan.plaintextSha256);
    if (same) return { verdict: 'accepted', migration: same, file, resumes: true };
    if (code === 'cell_busy') throw error;
    const active = await findActive(cell.db);
    const what = active
      ? `${migrationId(cell, active.importNumber)} (${active.fileId})`
      : 'Another migration';
    throw new Refusal(
      'cell_busy',
      `${what} is under way in this cell; files are loaded one after the other.`,
      {
        advice: 'Start this file again when that one is done: relevo migrate list shows it.',
      },
    );
  }
}

/** The migration of this very file; one that is just being entered shows a moment later. */
async function findSameFileSoon(cell: MigrationCell, plaintextSha256: string): Promise<Migration | null> {
  for (let tries = 0; tries < 10; tries++) {
    const same = await findSameFile(cell.db, plaintextSha256);
    if (same) return same;
    await sleep(20);
  }
  return null;
}

/** How long a process that loads or closes may be silent before another may take over. */
const DRIVE_SECONDS = 6;

/** Runs `work` while this process drives the migration; answers undefined when another one does. */
export async function whileDriving<T>(
  cell: MigrationCell,
  importNumber: number,
  driver: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  if (!(await drive(cell.db, importNumber, driver, DRIVE_SECONDS))) return undefined;
  const renewal = setInterval(
    () => {
      drive(cell.db, importNumber, driver, DRIVE_SECONDS).catch(() => {}); // work itself meets a lost database
    },
    (DRIVE_SECONDS * 1000) / 3,
  );
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await stopDriving(cell.db, importNumber, driver).catch(() => {}); // it runs out by itself
  }
}

/**
 * Brings a migration's file into the queue, or goes on where an earlier process stopped. Answers `stopped` when
 * the migration was paused or cancelled meanwhile, or this process is to end.
 */
export async function loadMigration(
  cell: MigrationCell,
  migration: Migration,
  file: VerifiedFile,
  path: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (lines: number) => void } = {},
): Promise<'loaded' | 'stopped'> {
  const { importNumber } = migration;
  const mayGoOn = async () => {
    if (signal?.aborted) return false;
    const now = await findMigration(cell.db, importNumber);
    return now?.state === 'loading' && !now.paused;
  };
  return asFirstVerified(cell, migration, file, path, async (same) => {
    const end = await loadFile(cell, importNumber, same, { mayGoOn, onProgress });
    crashPoint('load:all-queued');
    if (end === 'loaded') await setLoaded(cell.db, importNumber);
    crashPoint('load:done');
    return end;
  });
}

/** A file that was first verified on another day, or in other chunks, must be dealt out as it was then. */
async function asFirstVerified<T>(
  cell: MigrationCell,
  { importNumber, judgedOn, chunkLines }: Migration,
  file: VerifiedFile,
  path: string,
  use: (file: VerifiedFile) => Promise<T>,
): Promise<T> {
  if (judgedOn === file.judgedOn && chunkLines === file.chunks.chunkLines) return use(file);
  const again = await verifyFile(cell, path, { judgedOn: judgedOn!, chunkLines: chunkLines! });
  if (again.verdict === 'refused') throw changedFile(path);
  using _ = again.file.chunks;
  if (again.verdict === 'verified' || again.earlier.importNumber !== importNumber) throw changedFile(path);
  return await use(again.file);
}

const changedFile = (path: string): Refusal =>
  new Refusal('file_changed', `${path} was changed while it was being loaded.`, {
    advice: 'Cancel this migration and start the file again when nobody writes to it any more.',
  });

/** Runs a `mock`: everything happens on a trial, and only its outcomes are kept. One that was cut short begins anew. */
export async function runMock(
  cell: MigrationCell,
  migration: Migration,
  file: VerifiedFile,
  path: string,
  onProgress?: (lines: number) => void,
): Promise<void> {
  const { importNumber } = migration;
  await cell.db.run`delete from migrations.chunks where import_number = ${importNumber}`;
  await asFirstVerified(cell, migration, file, path, async (same) => {
    const trial = await cell.trial();
    const writer = new ByteWriter();
    try {
      await lockCell(trial.db);
      let lines = 0;
      for await (const chunk of rehearseFile(cell, trial, importNumber, same)) {
        writer.clear();
        chunk.results.write(writer);
        await cell.db.run`
          insert into migrations.chunks
            (import_number, phase, lane, first_line, lines, state, attempts, outcomes, totals)
          values (${importNumber}, ${chunk.phase}, ${ORDERED_LANE}, ${chunk.firstLine}, ${chunk.lines.count}, 'done',
                  1, ${compress(writer.bytes)}, ${JSON.stringify(chunk.results.totals())})`;
        lines += chunk.lines.count;
        onProgress?.(lines);
      }
      await setLoaded(cell.db, importNumber);
      await closeBooks(cell, (await findMigration(cell.db, importNumber))!, trial.clients);
    } finally {
      await trial.close();
    }
  });
}

/**
 * Closes the books when every chunk is done and nobody else is closing them. Answers the migration as it is
 * afterwards.
 */
export async function closeWhenDone(
  cell: MigrationCell,
  importNumber: number,
  driver: string,
): Promise<Migration> {
  const migration = (await findMigration(cell.db, importNumber))!;
  // Only the trial on which a mock ran knows its sums, so its books are closed there.
  const mayClose =
    migration.kind !== 'mock' && (migration.state === 'working' || migration.state === 'closing');
  if (!mayClose || migration.driven || migration.paused) return migration;
  const queue = await queueState(cell.db, importNumber);
  if (queue.done < queue.chunks) return migration;
  await whileDriving(cell, importNumber, driver, () => closeBooks(cell, migration, cell.clients));
  return (await findMigration(cell.db, importNumber))!;
}
