import type { Tx } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import type { NewEntry } from '#services/audit/service.ts';
import type { CutoverCell } from './cutover-cell.ts';
import { type Direction, MODE_AFTER } from './direction.ts';

/** A flip as the cell remembers it. */
export interface FlipRow {
  readonly prefix: string;
  /** The epoch that it ended. */
  readonly epoch: number;
  readonly direction: Direction;
  readonly operator: string;
  /** Names, with commas. */
  readonly approvedBy: string;
  /** The last import of the range's files by then. */
  readonly lastImport: number | null;
  readonly flippedAt: Date;
}

const ACTIONS: Readonly<Record<Direction, string>> = {
  cutover: 'cutover.flipped',
  rollback: 'cutover.rolled_back',
};

const flips = sql`
  select prefix, epoch, direction, operator, approved_by as "approvedBy", last_import as "lastImport",
         flipped_at as "flippedAt"
    from authorisations.flips`;

/** The last flip of a range, or the last one in a direction. */
export async function lastFlip(tx: Tx, prefix: string, direction?: Direction): Promise<FlipRow | null> {
  const [row] = await tx.rows<FlipRow>`
    ${flips} where prefix = ${prefix} and direction = coalesce(${direction ?? null}, direction)
     order by epoch desc limit 1`;
  return row ?? null;
}

/**
 * Flip and trail lie in the hands of two services and cannot be one transaction. So the intent is written first, the
 * flip leaves a row behind, and the outcome is written from that row: by the process that flipped, or, where it died
 * in between, by whatever command looks at the range next. Written twice it stands there once. Answers the flip
 * that had not been told of.
 */
export async function completeTrail({ db, clients }: CutoverCell, prefix: string): Promise<FlipRow | null> {
  const [untold] = await db.rows<FlipRow>`
    ${flips} where prefix = ${prefix} and told_at is null order by epoch desc limit 1`;
  if (!untold) return null;
  await clients.audit.appendEntries([outcomeEntry(untold)]);
  await db.run`
    update authorisations.flips set told_at = now() where prefix = ${prefix} and epoch = ${untold.epoch}`;
  return untold;
}

export const intentEntry = (
  flip: Pick<FlipRow, 'prefix' | 'epoch' | 'direction' | 'operator' | 'approvedBy'>,
): NewEntry => ({
  actor: flip.operator,
  action: `cutover.${flip.direction}_begun`,
  subject: flip.prefix,
  details: { epoch: flip.epoch, approved_by: flip.approvedBy },
});

/** Nothing was flipped after all. */
export const abandonedEntry = (
  flip: Pick<FlipRow, 'prefix' | 'epoch' | 'direction' | 'operator'>,
  code: string,
): NewEntry => ({
  actor: flip.operator,
  action: `cutover.${flip.direction}_abandoned`,
  subject: flip.prefix,
  details: { epoch: flip.epoch, code },
});

const outcomeEntry = (flip: FlipRow): NewEntry => ({
  actor: flip.operator,
  action: ACTIONS[flip.direction],
  subject: flip.prefix,
  details: {
    mode: MODE_AFTER[flip.direction],
    epoch: flip.epoch + 1,
    approved_by: flip.approvedBy,
    flipped_at: flip.flippedAt.toISOString(),
  },
  once: `flip of ${flip.prefix} out of epoch ${flip.epoch} at ${flip.flippedAt.toISOString()}`,
});
