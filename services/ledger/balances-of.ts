import type { Database } from '#runtime/database/database.ts';
import type { Balance } from './service.ts';

export const balancesOf =
  (db: Database) =>
  ({ accountIds }: { accountIds: readonly string[] }): Promise<Balance[]> =>
    db.rows<Balance>`
      select account_id as "accountId", account_type as "accountType", currency, posted_minor as "postedMinor",
             held_minor as "heldMinor", credit_limit_minor as "creditLimitMinor"
        from ledger.accounts where account_id = any(${accountIds}::uuid[]) order by account_id`;
