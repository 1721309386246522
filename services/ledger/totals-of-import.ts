import type { Database } from '#runtime/database/database.ts';
import type { Totals } from './service.ts';

/** Read from the balances themselves, not from what the import believes it wrote. */
export const totalsOfImport =
  (db: Database) =>
  async ({ importNumber }: { importNumber: number }): Promise<{ posted: Totals; held: Totals }> => {
    const [posted, held] = await Promise.all([
      db.rows<Total>`
        select currency, sum(posted_minor)::text as minor from ledger.accounts
         where stated_by_import = ${importNumber} group by currency order by currency`,
      db.rows<Total>`
        select currency, sum(amount_minor)::text as minor from ledger.holds
         where stated_by_import = ${importNumber} group by currency order by currency`,
    ]);
    return { posted: totals(posted), held: totals(held) };
  };

interface Total {
  currency: string;
  minor: string;
}

const totals = (rows: Total[]): Totals =>
  Object.fromEntries(rows.map(({ currency, minor }) => [currency, BigInt(minor)]));
