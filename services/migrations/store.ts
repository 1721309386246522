import type { Tx } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import type { ChunkTotals, MinorText } from './work/chunk-totals.ts';

/**
 * A migration's life:
 *
 *   loading → working      the whole file is in the queue
 *   working → closing      every chunk is done
 *   closing → completed    the books were compared; when they agree the result file is sealed
 *   completed → working    dead letters are redriven
 *   loading, working → cancelling → cancelled   what was imported is taken back
 *   refused                the file was turned away; nothing of it is here
 *
 * `paused` halts loading and working at a chunk's edge.
 */
export type MigrationState =
  'loading' | 'working' | 'closing' | 'completed' | 'refused' | 'cancelling' | 'cancelled';

export interface Migration {
  readonly importNumber: number;
  readonly state: MigrationState;
  readonly paused: boolean;
  readonly kind: 'full' | 'delta' | 'mock' | null;
  readonly fileId: string | null;
  readonly source: string | null;
  readonly sequence: bigint | null;
  readonly fileCreatedAt: Date | null;
  readonly binRanges: string | null;
  readonly judgedOn: string | null;
  readonly plaintextSha256: string | null;
  readonly path: string;
  readonly refusalCode: string | null;
  readonly refusalMessage: string | null;
  readonly rows: Readonly<Record<string, number>>;
  /** Lines per chunk when the file was first loaded; whoever goes on must cut alike. */
  readonly chunkLines: number | null;
  readonly chunksExpected: number | null;
  readonly startedAt: Date;
  readonly completedAt: Date | null;
  readonly ledgerPosted: MinorText;
  readonly ledgerHeld: MinorText;
  /** What the ledger's sums of this import were short of when its dead letters were redriven. */
  readonly ledgerOffset: { readonly posted: MinorText; readonly held: MinorText };
  readonly signer: string | null;
  readonly reconciled: boolean | null;
  /** A process is loading the file or closing the books right now. */
  readonly driven: boolean;
}

const migration = sql`
  select import_number as "importNumber", state, paused, kind, file_id as "fileId", source, sequence,
         file_created_at as "fileCreatedAt", bin_ranges as "binRanges", judged_on as "judgedOn",
         plaintext_sha256 as "plaintextSha256", path, refusal_code as "refusalCode",
         refusal_message as "refusalMessage", rows,
         chunk_lines as "chunkLines", chunks_expected as "chunksExpected",
         started_at as "startedAt", completed_at as "completedAt", ledger_posted as "ledgerPosted",
         ledger_held as "ledgerHeld", ledger_offset as "ledgerOffset", signer, reconciled, coalesce(loader_lease > now(), false) as driven
    from migrations.migrations`;

export const listMigrations = (tx: Tx) => tx.rows<Migration>`${migration} order by import_number`;

export async function findMigration(tx: Tx, importNumber: number): Promise<Migration | null> {
  const [found] = await tx.rows<Migration>`${migration} where import_number = ${importNumber}`;
  return found ?? null;
}

/** The migration that this very plaintext has started before, if it was neither refused nor cancelled. */
export async function findSameFile(tx: Tx, plaintextSha256: string): Promise<Migration | null> {
  const [found] = await tx.rows<Migration>`
    ${migration}
     where plaintext_sha256 = ${plaintextSha256} and state not in ('refused', 'cancelling', 'cancelled')`;
  return found ?? null;
}

/** The one migration of the cell that is under way. */
export async function findActive(tx: Tx): Promise<Migration | null> {
  const [found] = await tx.rows<Migration>`
    ${migration} where state in ('loading', 'working', 'closing', 'cancelling')`;
  return found ?? null;
}

export const isFileIdTaken = async (tx: Tx, fileId: string): Promise<boolean> =>
  (await tx.run`
    select from migrations.migrations
     where file_id = ${fileId} and kind <> 'mock' and state not in ('refused', 'cancelled')`) > 0;

/** The number that the next file of a source must carry. */
export async function nextSequence(tx: Tx, source: string): Promise<number> {
  const [{ next }] = await tx.rows<{ next: bigint }>`
    select coalesce(max(sequence), 0) + 1 as next from migrations.migrations
     where source = ${source} and kind <> 'mock' and state not in ('refused', 'cancelled')`;
  return Number(next);
}

export interface NewMigration {
  readonly kind: string;
  readonly fileId: string;
  readonly source: string;
  readonly sequence: number;
  readonly createdAt: string;
  readonly binRanges: readonly string[];
  readonly judgedOn: string;
  readonly plaintextSha256: string;
  readonly plaintextBytes: number;
  readonly signer: string;
  readonly path: string;
  readonly rows: Readonly<Record<string, number>>;
  readonly chunkLines: number;
}

/** Fails with PostgreSQL's unique_violation when a file of the cell is under way or the file id is taken. */
export async function addMigration(tx: Tx, file: NewMigration): Promise<number> {
  const [{ importNumber }] = await tx.rows<{ importNumber: number }>`
    insert into migrations.migrations
      (state, kind, file_id, source, sequence, file_created_at, bin_ranges, judged_on, plaintext_sha256,
       plaintext_bytes, signer, path, rows, chunk_lines)
    values ('loading', ${file.kind}, ${file.fileId}, ${file.source}, ${file.sequence}, ${file.createdAt},
            ${file.binRanges.join(';')}, ${file.judgedOn}, ${file.plaintextSha256}, ${file.plaintextBytes},
            ${file.signer}, ${file.path}, ${JSON.stringify(file.rows)}, ${file.chunkLines})
    returning import_number as "importNumber"`;
  return importNumber;
}

/** All that a refused file leaves here. */
export async function addRefusal(
  tx: Tx,
  refusal: { path: string; fileId: string | null; code: string; message: string },
): Promise<number> {
  const [{ importNumber }] = await tx.rows<{ importNumber: number }>`
    insert into migrations.migrations (state, path, file_id, refusal_code, refusal_message, completed_at)
    values ('refused', ${refusal.path}, ${refusal.fileId}, ${refusal.code}, ${refusal.message}, now())
    returning import_number as "importNumber"`;
  return importNumber;
}

/**
 * Makes this process the one that loads or closes a migration, if none does; `driver` names it. The claim runs
 * out by itself when it is not renewed.
 */
export const drive = async (
  tx: Tx,
  importNumber: number,
  driver: string,
  seconds: number,
): Promise<boolean> =>
  (await tx.run`
    update migrations.migrations
       set loader = ${driver}, loader_lease = now() + make_interval(secs => ${seconds})
     where import_number = ${importNumber}
       and (loader = ${driver} or loader_lease is null or loader_lease < now())`) === 1;

export const stopDriving = (tx: Tx, importNumber: number, driver: string) => tx.run`
  update migrations.migrations set loader = null, loader_lease = null
   where import_number = ${importNumber} and loader = ${driver}`;

/** Moves a migration on, if it still is where the caller saw it. */
export const moveOn = async (
  tx: Tx,
  importNumber: number,
  from: readonly MigrationState[],
  to: MigrationState,
): Promise<boolean> =>
  (await tx.run`
    update migrations.migrations set state = ${to}
     where import_number = ${importNumber} and state = any(${from})`) === 1;

export const setPaused = async (tx: Tx, importNumber: number, paused: boolean): Promise<boolean> =>
  (await tx.run`
    update migrations.migrations set paused = ${paused}
     where import_number = ${importNumber} and state in ('loading', 'working')`) === 1;

/** The whole file is in the queue: so many chunks. */
export const setLoaded = (tx: Tx, importNumber: number) => tx.run`
  update migrations.migrations
     set state = 'working',
         chunks_expected = (select count(*) from migrations.chunks where chunks.import_number = ${importNumber})
   where import_number = ${importNumber} and state = 'loading'`;

export const setBooks = (
  tx: Tx,
  importNumber: number,
  books: { posted: MinorText; held: MinorText; reconciled: boolean; closedAt: Date },
) => tx.run`
  update migrations.migrations
     set ledger_posted = ${JSON.stringify(books.posted)}, ledger_held = ${JSON.stringify(books.held)},
         reconciled = ${books.reconciled}, completed_at = ${books.closedAt}
   where import_number = ${importNumber}`;

export interface QueueState {
  readonly chunks: number;
  readonly done: number;
  readonly lines: number;
  readonly linesDone: number;
  readonly lastError: string | null;
}

export async function queueState(tx: Tx, importNumber: number): Promise<QueueState> {
  const [state] = await tx.rows<QueueState>`
    select count(*)::int4 as chunks, count(*) filter (where state = 'done')::int4 as done,
           coalesce(sum(lines) filter (where redrive = 0), 0)::int4 as lines,
           coalesce(sum(lines) filter (where redrive = 0 and state = 'done'), 0)::int4 as "linesDone",
           max(last_error) as "lastError"
      from migrations.chunks where import_number = ${importNumber}`;
  return state;
}

export const chunkTotals = async (tx: Tx, importNumber: number): Promise<ChunkTotals[]> => {
  const chunks = await tx.rows<{ totals: ChunkTotals }>`
    select totals from migrations.chunks where import_number = ${importNumber} and state = 'done'`;
  return chunks.map(({ totals }) => totals);
};
