import type { Database } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import { movedAccountId, movedSince } from './live-transfers.ts';
import type { AccountAt } from './service.ts';

/** What was moved later is taken off again, so pages that are read one after the other speak of one moment. */
export const accountsAt =
  (db: Database) =>
  ({
    accountIds,
    at,
    since,
  }: {
    accountIds: readonly string[];
    at: Date;
    since: Date;
  }): Promise<AccountAt[]> =>
    db.rows<AccountAt>`
      select account_id as "accountId", external_account_id as "externalAccountId", account_type as "accountType",
             currency, posted_minor - ${movedSince(sql`accounts.account_id`, sql`${at}`)} as "postedMinor",
             credit_limit_minor as "creditLimitMinor",
             exists (select from ledger.transfers
                      where movement_id is not null and ${movedAccountId} = accounts.account_id
                        and moved_at >= ${since}) as "hasMoved"
        from ledger.accounts where account_id = any(${accountIds}::uuid[])`;
