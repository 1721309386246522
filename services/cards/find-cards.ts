import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import type { cardIdRow } from './service.ts';

export const findCards = (db: Database) => (rows: Batch<typeof cardIdRow>) => db.rows<{
  line: number;
  accountId: string;
}>`
  select sent.line, cards.account_id as "accountId"
    from ${rows.table('sent')} join cards.cards using (card_id)`;
