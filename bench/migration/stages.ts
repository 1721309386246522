import { parseCellName } from '#delivery/cells/cell-name.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import { enterCell } from '#delivery/local/enter-cell.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { withServer } from '#runtime/postgres/server.ts';
import { openPortfolio } from '#services/migrations/file/verify-file.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import { leaseChunk } from '#services/migrations/queue/chunk-queue.ts';
import {
  closeWhenDone,
  loadMigration,
  startMigration,
  whileDriving,
} from '#services/migrations/start-migration.ts';
import { findMigration } from '#services/migrations/store.ts';
import { ChunkWorker } from '#services/migrations/work/work-chunk.ts';
import { type Measure, runAsContender } from '../lab/contender.ts';
import { SpentTimes } from './spent-times.ts';
import { timedCell } from './timed-cell.ts';

/**
 * The stages of a migration one after the other, in one process with one chunk in hand, by the product's own
 * functions. In a real run they overlap, so their sum is longer than a run; their processor time is the same.
 */
export interface StagesOptions {
  readonly cell: string;
  readonly path: string;
}

export interface StagesResult {
  /** Seconds of the parts of `work`, by the names in `timed-cell.ts`. */
  readonly work: Readonly<Record<string, number>>;
}

async function stages({ cell: name, path }: StagesOptions, measure: Measure): Promise<StagesResult> {
  const settings = readAllSettings(process.env);
  const databaseUrl = settings.RELEVO_DATABASE_URL ?? undefined;
  return withServer({ home: settings.RELEVO_HOME, databaseUrl }, async (server) => {
    const opened = await openCell(server, settings.RELEVO_HOME, parseCellName(name));
    try {
      const cell = await enterCell(opened, settings);
      await measure('decrypt', async () => drain((await openPortfolio(cell, path)).plaintext));
      const started = await measure('verify', () => startMigration(cell, path));
      if (started.verdict === 'refused') throw new Error(started.refusal.message);
      const { importNumber } = started.migration;
      await measure('load', () =>
        whileDriving(cell, importNumber, 'bench', () =>
          loadMigration(cell, started.migration, started.file, path),
        ),
      );
      const times = new SpentTimes();
      await measure('work', () => work(timedCell(cell, times)));
      await measure('close', () => closeWhenDone(cell, importNumber, 'bench'));
      const { reconciled } = (await findMigration(cell.db, importNumber))!;
      if (!reconciled) throw new Error('the books did not close');
      return { work: times.seconds };
    } finally {
      await opened.close();
    }
  });
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of source);
}

/** Works the queue to its end, one chunk after the other. */
async function work(cell: MigrationCell): Promise<void> {
  const worker = new ChunkWorker(cell);
  const lease = { worker: 'bench', seconds: 600 };
  for (let chunk = await leaseChunk(cell.db, lease); chunk; chunk = await leaseChunk(cell.db, lease)) {
    const end = await worker.work(chunk);
    if (end !== 'done') throw new Error(`a chunk was ${end}`);
  }
}

if (import.meta.main) await runAsContender(stages);
