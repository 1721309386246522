import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { MigrationReport } from '#services/migrations/books/report.ts';
import { reportMigration } from '#services/migrations/books/report.ts';
import { resultPath } from '#services/migrations/books/result-file.ts';
import {
  closeWhenDone,
  loadMigration,
  runMock,
  type Started,
  startMigration,
  whileDriving,
} from '#services/migrations/start-migration.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import { findMigration, type Migration, queueState } from '#services/migrations/store.ts';
import { leaseChunk } from '#services/migrations/queue/chunk-queue.ts';
import { ChunkWorker } from '#services/migrations/work/work-chunk.ts';
import { runWorker } from '#services/migrations/work/worker.ts';
import type { TestCell } from './cell.ts';
import { openSealed } from './open-sealed.ts';

/** A line of a result file, by the names of its fields. */
export interface ResultLine {
  readonly line: number;
  readonly recordType: string;
  readonly externalId: string;
  readonly outcome: string;
  readonly code: string;
  readonly detail: string;
  readonly cardId: string;
  readonly cardholderId: string;
  readonly accountId: string;
}

/** One migration from its file to its closed books, and what its tenant reads of it. */
export interface Migrated {
  readonly report: MigrationReport;
  readonly migration: Migration;
  /** Empty for a file that was refused, and while books are open. */
  readonly lines: readonly ResultLine[];
}

export interface MigrateOptions {
  readonly workers?: number;
  /** Every chunk is worked by one worker that loses its lease and then again by another. */
  readonly twice?: boolean;
}

let drivers = 0;

/** Moves a file into the cell as `migrate start --wait` does, with so many workers in this process. */
export async function migrateFile(
  cell: TestCell,
  path: string,
  { workers = 1, twice = false }: MigrateOptions = {},
): Promise<Migrated> {
  const started = await startMigration(cell, path);
  if (started.verdict === 'refused') return readMigrated(cell, started.migration);
  await bringIn(cell, started, path);
  if (twice) await workTwice(cell);
  return finish(cell, started.migration.importNumber, { workers });
}

/** Signs, encrypts and migrates a portfolio. */
export const migrate = async (
  cell: TestCell,
  csv: Uint8Array | string,
  options: MigrateOptions = {},
): Promise<Migrated> => migrateFile(cell, await cell.send(csv), options);

/** Loads an accepted file into the queue, or runs it when it is a mock. */
export async function bringIn(cell: MigrationCell, started: Started, path: string): Promise<void> {
  if (started.verdict === 'refused' || started.migration.state !== 'loading') return;
  const { migration, file } = started;
  await whileDriving(cell, migration.importNumber, `driver-${++drivers}`, async () => {
    if (migration.kind === 'mock') await runMock(cell, migration, file, path);
    else await loadMigration(cell, migration, file, path);
  });
}

/** Works the queue until it is empty and closes the books. */
export async function finish(
  cell: TestCell,
  importNumber: number,
  { workers = 1, signal = AbortSignal.timeout(60_000) } = {},
): Promise<Migrated> {
  await workQueue(cell, importNumber, { workers, signal });
  return readMigrated(cell, await closeWhenDone(cell, importNumber, `driver-${++drivers}`));
}

export async function workQueue(
  cell: MigrationCell,
  importNumber: number,
  { workers = 1, signal = AbortSignal.timeout(60_000) } = {},
): Promise<void> {
  const isEmpty = async () => {
    const { chunks, done } = await queueState(cell.db, importNumber);
    return done === chunks;
  };
  if (await isEmpty()) return;
  const running = Array.from({ length: workers }, () =>
    runWorker(cell, { name: `worker-${++drivers}`, signal, mayEnd: isEmpty }),
  );
  await Promise.all(running);
}

/** Works each chunk to its end under a lease that has run out meanwhile, and once more under the next one. */
async function workTwice(cell: TestCell): Promise<void> {
  const workers = [new ChunkWorker(cell), new ChunkWorker(cell)];
  const lease = { worker: `worker-${++drivers}`, seconds: 60 };
  for (let lost = await leaseChunk(cell.db, lease); lost; lost = await leaseChunk(cell.db, lease)) {
    await cell.admin.run`
      update migrations.chunks set lease_until = now() - interval '1 second' where state = 'leased'`;
    const held = (await leaseChunk(cell.db, lease))!;
    assert.equal(await workers[0].work(lost), 'lost');
    assert.equal(await workers[1].work(held), 'done');
  }
}

export async function readMigrated(cell: TestCell, { importNumber }: Migration): Promise<Migrated> {
  const migration = (await findMigration(cell.db, importNumber))!;
  const path = resultPath(cell, importNumber);
  const resultFile = migration.reconciled && existsSync(path) ? path : null;
  const report = await reportMigration(cell, migration, { resultFile });
  const lines = resultFile === null ? [] : resultLinesOf(await openResult(cell, resultFile));
  return { report, migration, lines };
}

/** A result file as the tenant opens it: with its own key, verified by the cell's. */
export const openResult = async (cell: TestCell, path: string): Promise<string> =>
  (await openSealed(path, { tenant: cell.tenantKey, cell: [cell.cellKey] })).toString('utf8');

function resultLinesOf(text: string): ResultLine[] {
  const rows = text.split('\n').filter((line) => line.startsWith('R,'));
  return rows.map((row) => {
    const fields = splitFields(row);
    const [, line, recordType, externalId, outcome, code, detail, cardId, cardholderId, accountId] = fields;
    return {
      line: Number(line),
      recordType,
      externalId,
      outcome,
      code,
      detail,
      cardId,
      cardholderId,
      accountId,
    };
  });
}

/** The fields of a line that RFC 4180 would split alike. */
const splitFields = (line: string): string[] =>
  [...line.matchAll(/(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g)]
    .map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain)
    .slice(0, 10);
