import { int4, int8, uuid } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { Tx } from '#runtime/database/database.ts';
import { type Fragment, sql } from '#runtime/database/sql.ts';
import type { Usage } from '../decision/usage.ts';
import { addUuid } from './uuids.ts';

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

/** Used again and again: what it holds is copied when the statement is sent, so that has to be at once. */
const rows = new Batch(usageRow);

export function saveUsage(changed: ReadonlyMap<string, Usage>): Fragment {
  rows.clear();
  const to = rows.columns;
  for (const [cardId, usage] of changed) {
    addUuid(to.cardId, cardId);
    to.day.int4(usage.day);
    to.dayCount.int4(usage.dayCount);
    to.dayMinor.int8(usage.dayMinor);
    to.month.int4(usage.month);
    to.monthCount.int4(usage.monthCount);
    to.monthMinor.int8(usage.monthMinor);
  }
  return sql`
    insert into authorisations.usage (card_id, day, day_count, day_minor, month, month_count, month_minor)
    select card_id, day, day_count, day_minor, month, month_count, month_minor from ${rows.table('sent')}
        on conflict (card_id) do update
       set day = excluded.day, day_count = excluded.day_count, day_minor = excluded.day_minor,
           month = excluded.month, month_count = excluded.month_count, month_minor = excluded.month_minor`;
}
