import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { goToBackground } from '#runtime/priority.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Details } from '#services/audit/service.ts';
import {
  type MigrationReport,
  outcomesOf,
  reportMigration,
  sumOfChunks,
} from '#services/migrations/books/report.ts';
import { resultPath } from '#services/migrations/books/result-file.ts';
import type { VerifiedFile } from '#services/migrations/file/verify-file.ts';
import { type MigrationCell, migrationId } from '#services/migrations/migration-cell.ts';
import {
  closeWhenDone,
  loadMigration,
  runMock,
  type Started,
  startMigration,
  whileDriving,
} from '#services/migrations/start-migration.ts';
import { findMigration, type Migration, queueState } from '#services/migrations/store.ts';
import { runWorker } from '#services/migrations/work/worker.ts';
import { processName } from './commands/worker.ts';
import { count } from './output.ts';
import type { Progress } from './progress.ts';
import { leaveWorkers, startWorkers, type Workers } from './workers.ts';

export interface RunOptions {
  readonly cellName: string;
  readonly home: string;
  /** Whose name the audit trail keeps. */
  readonly operator: string;
  readonly wait: boolean;
  /** Processes that work, this one among them when it waits; without it the size of the file decides. */
  readonly workers: number | undefined;
  readonly progress: Progress;
  /** This process does nothing else, so it may go to the background as a whole. */
  readonly background?: boolean;
  /** Told when this very file was started before. */
  readonly onKnown?: (migration: Migration) => void;
  readonly signal: AbortSignal;
}

/** Files up to this size (as sent) are not worth the start of worker processes. */
const SMALL_FILE_BYTES = 4 * 1024 * 1024;
const POLL_MS = 100;
const NOTE_EVERY_MS = 500;

/** Verifies a file, brings it into the queue and, if asked, waits until its books are closed. */
export async function runMigration(
  cell: MigrationCell,
  path: string,
  options: RunOptions,
): Promise<MigrationReport> {
  if (options.background) cell.yielding.onFirstNeed(goToBackground);
  const startedAt = performance.now();
  const size = await sizeOf(path);
  // Started now, the workers are warm when the file has been verified.
  const workers = options.wait ? await beginWork(cell, options, size) : null;
  let started: Started | null = null;
  try {
    options.progress.begin('verify', size);
    started = await startMigration(cell, path, ({ lines, bytes }) => {
      if (options.signal.aborted)
        throw new Refusal('interrupted', `${path} was not verified to its end; nothing of it is stored.`);
      options.progress.update(Math.min(bytes, size), `${count(lines)} lines`);
    });
    options.progress.end();
    await recordStart(cell, started, options.operator);
    if (started.verdict === 'refused') return await reportNow(cell, started.migration);
    const { migration, file, resumes } = started;
    if (resumes) options.onKnown?.(migration);
    const { importNumber } = migration;
    await bringIn(cell, migration, file, path, options);
    if (!options.wait) {
      const now = (await findMigration(cell.db, importNumber))!;
      if (now.state === 'working')
        leaveWorkers(options.cellName, options.workers ?? cell.settings.RELEVO_WORKERS, options.home);
      return await reportNow(cell, now);
    }
    const report = await waitUntilClosed(cell, importNumber, {
      ...options,
      // Whoever was loading the file may be lost: then this process, which has the file too, goes on with it.
      takeOver: (abandoned) => bringIn(cell, abandoned, file, path, options),
    });
    const seconds = Math.round(performance.now() - startedAt) / 1000;
    return resumes ? report : withTiming(report, seconds);
  } finally {
    options.progress.end();
    if (started?.verdict === 'accepted') started.file.chunks[Symbol.dispose]();
    await workers?.stop();
  }
}

/** Before anything of the file takes effect. A file that was started before has its entry already. */
async function recordStart(cell: MigrationCell, started: Started, actor: string): Promise<void> {
  const { importNumber, kind } = started.migration;
  const subject = migrationId(cell, importNumber);
  const [action, details]: [string, Details] =
    started.verdict === 'refused'
      ? ['migration.refused', { code: started.refusal.code }]
      : ['migration.started', { kind: kind! }];
  await cell.audit.appendEntries([{ actor, action, subject, details, once: `${action} ${subject}` }]);
}

/** Goes on with a migration that an earlier process left behind. */
export async function continueMigration(
  cell: MigrationCell,
  migration: Migration,
  options: RunOptions,
): Promise<MigrationReport> {
  if (isToBringIn(migration)) return runMigration(cell, migration.path, options);
  if (options.background) cell.yielding.onFirstNeed(goToBackground);
  if (!options.wait) {
    if (migration.state === 'working')
      leaveWorkers(options.cellName, options.workers ?? cell.settings.RELEVO_WORKERS, options.home);
    return reportNow(cell, migration);
  }
  const workers = await beginWork(cell, options, 0);
  try {
    return await waitUntilClosed(cell, migration.importNumber, options);
  } finally {
    options.progress.end();
    await workers.stop();
  }
}

/**
 * Loads the file into the queue, or runs it as a mock, unless it is done. A process that was killed at it keeps its
 * claim for a few seconds; this one waits for it to run out, and takes over.
 */
async function bringIn(
  cell: MigrationCell,
  { importNumber }: Migration,
  file: VerifiedFile,
  path: string,
  { progress, signal }: RunOptions,
): Promise<void> {
  const onProgress = (lines: number) => progress.update(lines);
  while (!signal.aborted) {
    const migration = (await findMigration(cell.db, importNumber))!;
    if (!isToBringIn(migration) || migration.paused) return;
    const isMock = migration.kind === 'mock';
    const brought = await whileDriving(cell, importNumber, processName(), async () => {
      // Whoever was at it may have come to the end meanwhile.
      if (!isToBringIn((await findMigration(cell.db, importNumber))!)) return true;
      progress.begin(isMock ? 'rehearse' : 'load', file.scan.lines);
      if (isMock) await runMock(cell, migration, file, path, onProgress);
      else await loadMigration(cell, migration, file, path, { onProgress, signal });
      return true;
    });
    progress.end();
    if (brought) return;
    await sleep(POLL_MS);
  }
}

/** A mock is run from its beginning to its books in one go, and begins anew when it was cut short. */
const isToBringIn = ({ kind, state }: Migration): boolean =>
  state === 'loading' || (kind === 'mock' && (state === 'working' || state === 'closing'));

/**
 * Workers for as long as this command waits: this process, which has little else to do once the file is in the
 * queue, and processes of their own for a large file.
 */
async function beginWork(cell: MigrationCell, options: RunOptions, fileBytes: number): Promise<Workers> {
  const usual = fileBytes > SMALL_FILE_BYTES ? cell.settings.RELEVO_WORKERS : 1;
  const others = startWorkers(options.cellName, (options.workers ?? usual) - 1, options.home, options.signal);
  const stop = new AbortController();
  const here = runWorker(cell, { name: processName(), signal: stop.signal });
  return {
    async stop() {
      stop.abort();
      await Promise.all([here, others.stop()]);
    },
  };
}

interface WaitOptions extends Pick<RunOptions, 'progress' | 'signal'> {
  /** Goes on with a file that nobody loads any more. */
  readonly takeOver?: (migration: Migration) => Promise<void>;
}

/** Waits for the end of a migration, showing how far it is, and closes its books when nobody else does. */
export async function waitUntilClosed(
  cell: MigrationCell,
  importNumber: number,
  { progress, signal, takeOver }: WaitOptions,
): Promise<MigrationReport> {
  const driver = processName();
  let begun = false;
  let note = '';
  let notedAt = -Infinity;
  for (;;) {
    const migration = await closeWhenDone(cell, importNumber, driver);
    if (migration.state === 'completed' || migration.state === 'cancelled' || migration.state === 'refused') {
      progress.end();
      return reportNow(cell, migration);
    }
    if (
      takeOver &&
      migration.state === 'loading' &&
      !migration.driven &&
      !migration.paused &&
      !signal.aborted
    ) {
      await takeOver(migration);
      begun = false;
    }
    const queue = await queueState(cell.db, importNumber);
    const lines = Object.values(migration.rows).reduce((sum, rows) => sum + rows, 0);
    if (!begun) progress.begin('migrate', lines);
    begun = true;
    if (performance.now() - notedAt > NOTE_EVERY_MS) {
      note = await noteOn(cell, migration, queue.lastError);
      notedAt = performance.now();
    }
    progress.update(queue.linesDone, note);
    if (signal.aborted)
      throw new Refusal('interrupted', `${migrationId(cell, importNumber)} was left at a chunk's edge.`, {
        advice: `Go on with: relevo migrate resume ${migrationId(cell, importNumber)} --wait`,
      });
    await sleep(POLL_MS);
  }
}

/** The outcomes so far and what is in the way, in a few words. */
async function noteOn(cell: MigrationCell, migration: Migration, trouble: string | null): Promise<string> {
  const outcomes = outcomesOf(await sumOfChunks(cell, migration.importNumber));
  const words = Object.entries(outcomes).map(([outcome, lines]) => `${outcome} ${count(lines)}`);
  if (migration.paused) words.unshift('PAUSED');
  if (trouble) words.push(`trying again: ${trouble}`);
  return words.join('  ');
}

export function reportNow(cell: MigrationCell, migration: Migration): Promise<MigrationReport> {
  const path = resultPath(cell, migration.importNumber);
  return reportMigration(cell, migration, { resultFile: existsSync(path) ? path : null });
}

function withTiming(report: MigrationReport, seconds: number): MigrationReport {
  const cards = report.rows['C'] ?? 0;
  return { ...report, seconds, cards_per_second: seconds > 0 ? Math.round(cards / seconds) : 0 };
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    throw new Refusal('no_such_file', `There is no file ${path}, or it may not be read.`);
  }
}
