import type { Database } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import { movedSince } from './live-transfers.ts';
import type { Totals } from './service.ts';

/**
 * Read from the balances themselves, not from what the import believes it wrote. What messages have moved since the
 * moment that the import speaks of is taken off again; a hold that they have changed counts as it was stated.
 */
export const totalsOfImport =
  (db: Database) =>
  async ({
    importNumber,
    asOf,
  }: {
    importNumber: number;
    asOf: Date;
  }): Promise<{ posted: Totals; held: Totals }> => {
    const moved = movedSince(sql`accounts.account_id`, sql`${asOf}`);
    const [posted, held] = await Promise.all([
      // A first load, usually the largest, is closed before any message: then no account has to be asked.
      db.rows<Total>`
        select currency,
               sum(posted_minor - case when (select exists (select from ledger.transfers
                                                             where movement_id is not null))
                                       then ${moved} else 0 end)::text as minor
          from ledger.accounts
         where stated_by_import = ${importNumber} group by currency order by currency`,
      db.rows<Total>`
        select currency, sum(coalesce(stated_minor, amount_minor))::text as minor from ledger.holds
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
