import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../queue/chunk-queue.ts';
import { describeFailure, faultOf } from './failure.ts';
import type { Reason } from './outcome.ts';

/** How often a row that fails alone is tried before it is laid among the dead letters. */
export const ROW_ATTEMPTS = 3;
const ROW_BACKOFF_MS = 50;

/**
 * Runs `work` over rows so that one that cannot be taken never holds back the others: a batch that fails for
 * the sake of a row is split in halves, in order, until the row is alone; alone it is tried again a few times
 * and then given to `die`. Failures that are not a row's own pass through.
 */
export async function isolateRows(
  rows: readonly number[],
  work: (rows: readonly number[]) => Promise<void>,
  die: (row: number, reason: Reason) => Promise<void>,
): Promise<void> {
  if (rows.length === 0) return;
  try {
    await work(rows);
    return;
  } catch (error) {
    if (faultOf(error) !== 'row') throw error;
    if (rows.length === 1) {
      await retryAlone(rows[0], error, work, die);
      return;
    }
  }
  const middle = rows.length >> 1;
  await isolateRows(rows.slice(0, middle), work, die);
  await isolateRows(rows.slice(middle), work, die);
}

async function retryAlone(
  row: number,
  first: unknown,
  work: (rows: readonly number[]) => Promise<void>,
  die: (row: number, reason: Reason) => Promise<void>,
): Promise<void> {
  let failure = first;
  for (let attempt = 1; attempt < ROW_ATTEMPTS; attempt++) {
    await sleep(backoffMs(attempt, ROW_BACKOFF_MS));
    try {
      await work([row]);
      return;
    } catch (error) {
      if (faultOf(error) !== 'row') throw error;
      failure = error;
    }
  }
  await die(row, { code: 'row_failed', detail: describeFailure(failure) });
}
