import { Refusal } from '#runtime/refusal.ts';
import type { Database } from '#runtime/database/database.ts';
import { type MigrationCell, migrationId } from './migration-cell.ts';
import { ChunkBuilder, openDeadLine, sealPayload } from './queue/chunk-payload.ts';
import { addChunk, CARDS_PHASE, LINKS_PHASE, ORDERED_LANE } from './queue/chunk-queue.ts';
import { findActive, type Migration } from './store.ts';
import { addMinor, type MinorText } from './work/chunk-totals.ts';

export interface DeadLetter {
  readonly line: number;
  readonly recordType: string;
  readonly externalId: string;
  readonly code: string;
  readonly detail: string;
  readonly attempts: number;
  readonly diedAt: Date;
}

/** Which dead letters: all, those of one code, those of some lines. */
export interface DeadLetterFilter {
  readonly code?: string;
  readonly fromLine?: number;
  readonly toLine?: number;
}

export const listDeadLetters = (db: Database, importNumber: number, filter: DeadLetterFilter = {}) =>
  db.rows<DeadLetter>`
    select line, record_type as "recordType", external_id as "externalId", code, detail, attempts,
           died_at as "diedAt"
      from migrations.dead_letters
     where import_number = ${importNumber}
       and (${filter.code ?? null}::text is null or code = ${filter.code ?? null})
       and line between ${filter.fromLine ?? 0} and ${filter.toLine ?? 2_147_483_647}
     order by line`;

/**
 * Puts dead letters back into the queue, in file order. They stay among the dead until a worker has settled
 * them, so a crash loses none. Answers how many. The audit trail is told before the commit.
 */
export async function redrive(
  cell: MigrationCell,
  migration: Migration,
  filter: DeadLetterFilter,
  operator: string,
): Promise<number> {
  const { importNumber } = migration;
  if (migration.state !== 'completed')
    throw new Refusal('not_completed', `${migrationId(cell, importNumber)} is ${migration.state}.`, {
      advice: 'Dead letters are redriven once the migration has closed its books.',
    });
  const active = await findActive(cell.db);
  if (active)
    throw new Refusal('cell_busy', `${migrationId(cell, active.importNumber)} is under way in this cell.`, {
      advice: 'Redrive when it is done.',
    });
  const letters = await listDeadLetters(cell.db, importNumber, filter);
  if (letters.length === 0) return 0;
  const chunkLines = cell.settings.RELEVO_CHUNK_LINES;
  const offset = await ledgerOffset(cell, migration);
  await cell.db.transaction(async (tx) => {
    const [{ redrive }] = await tx.rows<{ redrive: number }>`
      select max(redrive) + 1 as redrive from migrations.chunks where import_number = ${importNumber}`;
    for (const phase of [CARDS_PHASE, LINKS_PHASE]) {
      const ofPhase = letters.filter(({ recordType }) => (recordType === 'C') === (phase === CARDS_PHASE));
      for (let at = 0; at < ofPhase.length; at += chunkLines) {
        const builder = new ChunkBuilder(chunkLines);
        const lines = ofPhase.slice(at, at + chunkLines).map(({ line }) => line);
        const sealed = await tx.rows<{ line: number; sealedLine: Buffer }>`
          select line, sealed_line as "sealedLine" from migrations.dead_letters
           where import_number = ${importNumber} and line = any(${lines}) order by line`;
        for (const { line, sealedLine } of sealed) {
          const bytes = openDeadLine(cell.vault, importNumber, line, sealedLine);
          builder.add(line, bytes, 0, bytes.length);
        }
        const place = { importNumber, redrive, phase, lane: ORDERED_LANE, firstLine: lines[0] };
        await addChunk(tx, place, lines.length, sealPayload(cell.vault, place, builder.pack()));
      }
    }
    await tx.run`
      update migrations.migrations
         set state = 'working', reconciled = null, ledger_offset = ${JSON.stringify(offset)}
       where import_number = ${importNumber} and state = 'completed'`;
    const subject = migrationId(cell, importNumber);
    const details = { lines: letters.length };
    await cell.audit.appendEntries([{ actor: operator, action: 'migration.redriven', subject, details }]);
  });
  return letters.length;
}

/**
 * What the ledger's sums of this import miss by now, because later files stated the same accounts again. Closing
 * adds it back, so that a redrive is judged by what it changes.
 */
async function ledgerOffset(cell: MigrationCell, migration: Migration) {
  const now = await cell.clients.ledger.totalsOfImport({
    importNumber: migration.importNumber,
    asOf: migration.fileCreatedAt!,
  });
  const missing = (closed: MinorText, totals: Readonly<Record<string, bigint>>): MinorText => {
    const offset: MinorText = { ...closed };
    for (const [currency, minor] of Object.entries(totals)) addMinor(offset, currency, -minor);
    return offset;
  };
  return {
    posted: missing(migration.ledgerPosted, now.posted),
    held: missing(migration.ledgerHeld, now.held),
  };
}
