import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationCell } from '../migration-cell.ts';
import { extendLeases, type Lease, leaseChunk } from '../queue/chunk-queue.ts';
import { describeFailure } from './failure.ts';
import { ChunkWorker } from './work-chunk.ts';

/** Chunks in hand at once: while PostgreSQL writes one, the next is read. Beside live messages it is one. */
const CHUNKS_AT_ONCE = 2;
const IDLE_MS_MIN = 20;
const IDLE_MS_MAX = 250;

export interface WorkerOptions {
  /** Names this process in leases; no two that run at once may share it. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Asked when there is nothing to do; the worker ends when it answers true. */
  readonly mayEnd?: () => Promise<boolean>;
  readonly onTrouble?: (message: string) => void;
}

/**
 * Works the cell's queue until the signal comes (then at the edge of the chunks in hand) or there is no more to
 * do. A database that cannot be reached is waited for: the leases of this worker run out meanwhile, and whoever
 * comes first goes on.
 */
export async function runWorker(cell: MigrationCell, options: WorkerOptions): Promise<void> {
  const inHand = new Set<Lease>();
  const heartbeat = setInterval(
    () => {
      for (const lease of inHand) extendLeases(cell.db, lease).catch(() => {}); // the next beat will tell
    },
    (cell.settings.RELEVO_LEASE_SECONDS * 1000) / 3,
  );
  try {
    await Promise.all(Array.from({ length: CHUNKS_AT_ONCE }, (_, i) => workLoop(cell, inHand, i, options)));
  } finally {
    clearInterval(heartbeat);
  }
}

/**
 * Each chunk is leased under a name of its own: one that could neither be finished nor laid back is kept alive by
 * no heartbeat, and whoever comes first after its lease takes it over.
 */
async function workLoop(
  cell: MigrationCell,
  inHand: Set<Lease>,
  loop: number,
  options: WorkerOptions,
): Promise<void> {
  const { signal } = options;
  const seconds = cell.settings.RELEVO_LEASE_SECONDS;
  const worker = new ChunkWorker(cell);
  let idleMs = IDLE_MS_MIN;
  for (let turn = 0; !signal.aborted; turn++) {
    const lease = { worker: `${options.name}/${loop}.${turn}`, seconds };
    try {
      const chunk = loop > 0 && cell.yielding.isNeeded ? null : await leaseChunk(cell.db, lease);
      if (chunk) {
        inHand.add(lease);
        await worker.work(chunk);
        idleMs = IDLE_MS_MIN;
        continue;
      }
      if (await options.mayEnd?.()) return;
    } catch (error) {
      options.onTrouble?.(describeFailure(error));
      idleMs = IDLE_MS_MAX;
    } finally {
      inHand.delete(lease);
    }
    await sleep(idleMs, undefined, { signal }).catch(() => {});
    idleMs = Math.min(idleMs * 2, IDLE_MS_MAX);
  }
}
