import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import type { accountKindRow } from './service.ts';

export const findAccountConflicts =
  (db: Database) =>
  async (rows: Batch<typeof accountKindRow>): Promise<number[]> => {
    const conflicts = await db.rows<{ line: number }>`
      select sent.line
        from ${rows.table('sent')} join ledger.accounts here using (account_id)
       where (here.account_type, here.currency) <> (sent.account_type, sent.currency)`;
    return conflicts.map(({ line }) => line);
  };
