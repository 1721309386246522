import { crashPoint } from '#runtime/crash-point.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import type { ChunkPlace } from './chunk-payload.ts';

/** Cards first, then what hangs on them. */
export const CARDS_PHASE = 1;
export const LINKS_PHASE = 2;
/**
 * Lines that can be judged alone go in any order; the others one chunk after the other, in file order. Free lines
 * that share an account or a cardholder have chunks of their own, so that all other chunks bring nothing but new
 * rows and are written without looking for what is there.
 */
export const FREE_LANE = 0;
export const ORDERED_LANE = 1;
export const SHARED_LANE = 2;

/**
 * The queue of one cell: chunks of lines, each `ready`, `leased` or `done`.
 *
 *   ready → leased   a worker takes it; the epoch rises, so that an earlier holder can no longer finish it
 *   leased → leased  another worker takes it over when the lease ran out
 *   leased → ready   it failed for a reason that may pass; it waits out a back-off
 *   leased → done    its outcomes are recorded; the lines themselves are erased
 *
 * The attempt is counted when the chunk is taken, before any work: a chunk that kills its worker is counted too.
 */
export interface LeasedChunk extends ChunkPlace {
  readonly epoch: number;
  readonly attempts: number;
  readonly lines: number;
  readonly payload: Buffer;
}

export interface Lease {
  readonly worker: string;
  readonly seconds: number;
}

export const addChunk = (db: Tx, place: ChunkPlace, lines: number, payload: Buffer) => db.run`
  insert into migrations.chunks (import_number, redrive, phase, lane, first_line, lines, payload)
  values (${place.importNumber}, ${place.redrive}, ${place.phase}, ${place.lane}, ${place.firstLine}, ${lines},
          ${payload})
      on conflict do nothing`;

/**
 * Takes the next chunk that may be worked now, or none: not of a paused migration, not of a phase whose
 * predecessor is unfinished, not out of turn in the ordered lane.
 */
export async function leaseChunk(db: Tx, { worker, seconds }: Lease): Promise<LeasedChunk | null> {
  const [chunk] = await db.rows<LeasedChunk>`
    update migrations.chunks taken
       set state = 'leased', epoch = taken.epoch + 1, attempts = taken.attempts + 1, worker = ${worker},
           lease_until = now() + make_interval(secs => ${seconds})
      from (select chunk.ctid
              from migrations.chunks chunk
              join migrations.migrations migration using (import_number)
             where migration.state in ('loading', 'working') and not migration.paused
               and (chunk.state = 'ready' and chunk.not_before <= now()
                    or chunk.state = 'leased' and chunk.lease_until < now())
               and (chunk.phase = ${CARDS_PHASE}
                    or migration.state = 'working'
                       and not exists (select from migrations.chunks earlier
                                        where earlier.import_number = chunk.import_number
                                          and earlier.state <> 'done' and earlier.phase < chunk.phase))
               and (chunk.lane <> ${ORDERED_LANE}
                    or not exists (select from migrations.chunks earlier
                                    where earlier.import_number = chunk.import_number
                                      and earlier.state <> 'done' and earlier.phase = chunk.phase
                                      and earlier.lane = chunk.lane
                                      and (earlier.redrive, earlier.first_line) < (chunk.redrive, chunk.first_line)))
             order by chunk.phase, chunk.first_line
             limit 1
               for update of chunk skip locked) next
     where taken.ctid = next.ctid
    returning taken.import_number as "importNumber", redrive, phase, lane, first_line as "firstLine", epoch,
              attempts, lines, payload`;
  if (chunk) crashPoint('chunk:leased');
  return chunk ?? null;
}

/** Keeps the leases of a worker from running out; answers how many it still holds. */
export const extendLeases = (db: Tx, { worker, seconds }: Lease) => db.run`
  update migrations.chunks set lease_until = now() + make_interval(secs => ${seconds})
   where worker = ${worker} and state = 'leased' and lease_until > now()`;

/** Lays a chunk back to be tried again later. */
export const returnChunk = (db: Tx, chunk: LeasedChunk, delayMs: number, reason: string) => db.run`
  update migrations.chunks
     set state = 'ready', worker = null, lease_until = null, last_error = ${reason},
         not_before = now() + make_interval(secs => ${delayMs / 1000})
   where import_number = ${chunk.importNumber} and redrive = ${chunk.redrive} and phase = ${chunk.phase}
     and lane = ${chunk.lane} and first_line = ${chunk.firstLine}
     and state = 'leased' and epoch = ${chunk.epoch}`;

/**
 * Records what became of a chunk and erases its lines, if this holder still has it: a worker that stalled past
 * its lease finds a higher epoch and changes nothing. `alongside` runs in the same transaction.
 */
export const finishChunk = (
  db: Database,
  chunk: LeasedChunk,
  result: { outcomes: Buffer; totals: string },
  alongside: (tx: Tx) => Promise<void>,
): Promise<boolean> =>
  db.transaction(async (tx) => {
    const finished = await tx.run`
      update migrations.chunks
         set state = 'done', worker = null, lease_until = null, last_error = null, payload = null,
             outcomes = ${result.outcomes}, totals = ${result.totals}
       where import_number = ${chunk.importNumber} and redrive = ${chunk.redrive} and phase = ${chunk.phase}
         and lane = ${chunk.lane} and first_line = ${chunk.firstLine}
         and state = 'leased' and epoch = ${chunk.epoch}`;
    if (finished === 1) await alongside(tx);
    crashPoint('chunk:recorded');
    return finished === 1;
  });

/** The longest wait before a failed chunk is tried again. */
const BACKOFF_MS_MAX = 30_000;

/** Exponential with full jitter, so that workers which failed together do not return together. */
export const backoffMs = (attempt: number, baseMs: number, random = Math.random): number =>
  Math.round(random() * Math.min(BACKOFF_MS_MAX, baseMs * 2 ** (attempt - 1)));
