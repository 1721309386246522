import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import type { FoundCard, panIndexRow } from './service.ts';

/** Many lines may name one card. Neither its number nor its PIN value is read. */
export const findCardsByPan = (db: Database) => (rows: Batch<typeof panIndexRow>) => db.rows<FoundCard>`
  select sent.line, cards.card_id as "cardId", cards.account_id as "accountId", cards.status, cards.expiry,
         cards.product, cards.daily_limit_minor as "dailyLimitMinor",
         cards.monthly_limit_minor as "monthlyLimitMinor", cards.external_card_id as "externalCardId"
    from ${rows.table('sent')} join cards.cards using (pan_index)`;
