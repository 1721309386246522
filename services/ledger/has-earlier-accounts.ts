import type { Database } from '#runtime/database/database.ts';

export const hasEarlierAccounts =
  (db: Database) =>
  async ({ importNumber }: { importNumber: number }): Promise<boolean> => {
    const [{ has }] = await db.rows<{ has: boolean }>`
      select exists (select from ledger.accounts
                      where opened_by_import is distinct from ${importNumber}
                        and account_type in ('debit', 'prepaid', 'credit')) as has`;
    return has;
  };
