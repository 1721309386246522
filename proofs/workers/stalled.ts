import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProofCell } from '../lab/proof-cell.ts';
import { signal } from '../lab/processes.ts';
import { waitFor } from '../lab/wait.ts';

export interface HeldChunk {
  readonly text: string;
  readonly key: readonly number[];
  readonly epoch: number;
}

/** A worker that stands still with chunks in hand. */
export interface Stalled {
  readonly pid: number;
  readonly atMs: number;
  readonly where: string;
  readonly chunks: readonly HeldChunk[];
}

/** What a stopped worker's connections show: whether it holds a transaction open. */
export type Place = 'between transactions' | 'inside a transaction';

/**
 * Stops a worker in the middle of a chunk: the table says that it holds one and still says so when it stands.
 * A stop in another place than the wanted one is undone and tried again; after a while any place will do.
 */
export async function stall(
  cell: ProofCell,
  pid: number,
  wanted: Place,
  isOver: () => Promise<boolean>,
): Promise<Stalled | null> {
  for (let attempt = 1; attempt <= 60; attempt++) {
    const found = await waitFor(
      async () => ((await heldBy(cell, pid)).length > 0 ? 'held' : (await isOver()) ? 'over' : null),
      { msMax: 60_000, everyMs: 2 },
    );
    if (found !== 'held') return null;
    if (!signal(pid, 'SIGSTOP')) return null;
    const atMs = Date.now();
    await sleep(60); // statements that were under way have come to their end
    const chunks = await heldBy(cell, pid);
    const where: Place = (await waitsInTransaction(cell)) ? 'inside a transaction' : 'between transactions';
    if (chunks.length > 0 && (where === wanted || attempt > 40)) return { pid, atMs, where, chunks };
    signal(pid, 'SIGCONT');
    await sleep(attempt % 7);
  }
  return null;
}

async function heldBy(cell: ProofCell, pid: number): Promise<HeldChunk[]> {
  const rows = await cell.lab.ask<{ key: number[]; epoch: number }>(
    cell.database,
    `select array[import_number, redrive, phase, lane, first_line] as key, epoch from migrations.chunks
      where state = 'leased' and lease_until > now() and split_part(worker, ':', 2) = $1`,
    [String(pid)],
  );
  return rows.map(({ key, epoch }) => ({ key, epoch, text: `${['cards', 'links'][key[2] - 1]}/${key[4]}` }));
}

/** Some session has kept a transaction open without a statement for longer than any running worker would. */
async function waitsInTransaction(cell: ProofCell): Promise<boolean> {
  const rows = await cell.lab.ask(
    cell.database,
    `select from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction'
        and state_change < clock_timestamp() - interval '50 ms'`,
  );
  return rows.length > 0;
}

/** How a chunk went on after a holder that stands still. */
export async function historyOf(
  cell: ProofCell,
  { key }: HeldChunk,
  msMax: number,
): Promise<{ epoch: number; by: number; takenAt: Date; doneAt: Date } | null> {
  return waitFor(
    async () => {
      const rows = await cell.lab.ask<{ at: Date; state: string; epoch: number; worker: string | null }>(
        cell.database,
        `select at, state, epoch, worker from proof.chunk_log
          where array[import_number, redrive::int4, phase, lane, first_line] = $1::int4[] order by at`,
        [key],
      );
      const done = rows.find(({ state }) => state === 'done');
      const taken = done && rows.find(({ state, epoch }) => state === 'leased' && epoch === done.epoch);
      return taken
        ? {
            epoch: taken.epoch,
            by: Number(taken.worker!.split(':').at(-2)),
            takenAt: taken.at,
            doneAt: done.at,
          }
        : null;
    },
    { msMax, everyMs: 50 },
  );
}

/** Whether a process stands still. */
export function stopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'T';
  } catch {
    return false;
  }
}
