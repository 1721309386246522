import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import type { accountKindRow } from './service.ts';

/** What a later line of the same import stated was not here yet for this one (a chunk is worked again after a crash). */
export const findAccountConflicts =
  (db: Database) =>
  async ({
    importNumber,
    rows,
  }: {
    importNumber: number;
    rows: Batch<typeof accountKindRow>;
  }): Promise<number[]> => {
    const conflicts = await db.rows<{ line: number }>`
      select sent.line
        from ${rows.table('sent')} join ledger.accounts here using (account_id)
       where (here.account_type, here.currency) <> (sent.account_type, sent.currency)
         and (here.opened_by_import is distinct from ${importNumber} or here.stated_by_line < sent.line)`;
    return conflicts.map(({ line }) => line);
  };
