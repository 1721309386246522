import type { Database } from '#runtime/database/database.ts';

export const hasEarlierAccounts =
  (db: Database) =>
  async ({ importNumber }: { importNumber: number }): Promise<boolean> => {
    const [{ has }] = await db.rows<{ has: boolean }>`
      select exists (select from ledger.accounts where opened_by_import <> ${importNumber}) as has`;
    return has;
  };
