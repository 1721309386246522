import { int4, int8, uuid } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { Pipeline, Tx } from '#runtime/database/database.ts';
import type { Usage } from '../decision/usage.ts';

const usageRow = {
  cardId: uuid,
  day: int4,
  dayCount: int4,
  dayMinor: int8,
  month: int4,
  monthCount: int4,
  monthMinor: int8,
} as const;

/** What cards have spent, by card; a card never used is left out. `cardIds` are an array of uuids. */
export async function readUsage(tx: Tx, cardIds: Buffer): Promise<Map<string, Usage>> {
  const found = await tx.rows<Usage & { cardId: string }>`
    select card_id as "cardId", day, day_count as "dayCount", day_minor::float8 as "dayMinor", month,
           month_count as "monthCount", month_minor::float8 as "monthMinor"
      from authorisations.usage where card_id = any(${cardIds}::uuid[])`;
  return new Map(found.map(({ cardId, ...usage }) => [cardId, usage]));
}

/** Used again and again: what they hold is copied when a statement is sent, so that has to be at once. */
const used = new Batch(usageRow);
const firstUsed = new Batch(usageRow);

/**
 * `isNew` tells whether a card was never used, as read under its lock; the others are there, and are updated, which
 * costs less than asking PostgreSQL which is which.
 */
export function saveUsage(
  tx: Pipeline,
  changed: ReadonlyMap<string, Usage>,
  isNew: (cardId: string) => boolean,
): void {
  used.clear();
  firstUsed.clear();
  for (const [cardId, usage] of changed) {
    const to = (isNew(cardId) ? firstUsed : used).columns;
    to.cardId.uuid(cardId);
    to.day.int4(usage.day);
    to.dayCount.int4(usage.dayCount);
    to.dayMinor.int8(usage.dayMinor);
    to.month.int4(usage.month);
    to.monthCount.int4(usage.monthCount);
    to.monthMinor.int8(usage.monthMinor);
  }
  if (firstUsed.rows > 0) tx.copy('authorisations.usage', firstUsed.columns);
  if (used.rows > 0)
    tx.send`
      update authorisations.usage here
         set day = sent.day, day_count = sent.day_count, day_minor = sent.day_minor,
             month = sent.month, month_count = sent.month_count, month_minor = sent.month_minor
        from ${used.table('sent')}
       where here.card_id = sent.card_id`;
}
