import { Refusal } from '#runtime/refusal.ts';
import type { MigrationCell, Trial } from '../migration-cell.ts';
import { RowCheck } from '../portfolio/check-row.ts';
import { unpack } from '../queue/chunk-payload.ts';
import { CARDS_PHASE, LINKS_PHASE } from '../queue/chunk-queue.ts';
import { ChunkProcessor, type ProcessedChunk } from '../work/process-chunk.ts';
import type { VerifiedFile } from './verify-file.ts';

export interface RehearsedChunk extends ProcessedChunk {
  readonly phase: number;
  readonly firstLine: number;
}

/** Locks out other migrations of the cell while a rehearsal holds rows that it will give back. */
const CELL_LOCK = 7_350_001;

export async function lockCell(db: { rows: Trial['db']['rows'] }): Promise<void> {
  const [{ locked }] = await db.rows<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(${CELL_LOCK}::bigint) as locked`;
  if (!locked)
    throw new Refusal('cell_busy', 'A validation or another migration of this cell is under way.', {
      advice: 'Wait until it is done; relevo migrate list shows what runs.',
    });
}

/**
 * Runs a verified file through the real services on a trial, in this process and in file order: the cards
 * first, then the lines that hang on them. Nothing of it stays.
 */
export async function* rehearseFile(
  cell: MigrationCell,
  trial: Trial,
  importNumber: number,
  { scan, header, judgedOn, chunks }: VerifiedFile,
): AsyncGenerator<RehearsedChunk> {
  const check = new RowCheck({ binRanges: header.binRanges, today: judgedOn });
  const processor = new ChunkProcessor(
    { importNumber, asOf: new Date(header.createdAt), clients: trial.clients, vault: cell.vault },
    trial.db,
    check,
  );
  const lastLine = scan.lines + 1;
  for (const phase of [CARDS_PHASE, LINKS_PHASE]) {
    for (const chunk of chunks.chunks(phase)) {
      // The trailer, when it is there, is the last line of its chunk.
      const lines = unpack(chunk.packed, chunk.lastLine > lastLine ? [chunk.lines - 1] : []);
      if (lines.count === 0) continue;
      const processed = await processor.process(lines, phase, true);
      await processed.claims?.store(trial.db, importNumber);
      yield { ...processed, phase, firstLine: lines.numbers[0] };
    }
  }
}
