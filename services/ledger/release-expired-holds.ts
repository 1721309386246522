import type { Database, Tx } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import type { ExpiredHolds } from './service.ts';

/** One clock for all processes of a cell: one whose own clock is ahead would free money that is still promised. */
const databaseClock = sql`now()`;

/**
 * Releases holds that nobody cleared in time. The BRIN index tells which parts of the table hold some that expired
 * after `since`; without it every part counts, for nothing tells where the oldest open hold lies.
 */
export const releaseExpiredHolds =
  (db: Database, clock = databaseClock) =>
  ({ since, limit }: { since?: Date; limit: number }): Promise<ExpiredHolds> =>
    db.transaction(async (tx) => {
      const [{ upTo }] = await tx.rows<{ upTo: Date }>`select ${clock} as "upTo"`;
      const expired = await findExpired(tx, upTo, since ?? null, limit);
      if (expired.length === 0) return { released: 0, upTo };
      const accountIds = [...new Set(expired.map(({ accountId }) => accountId))];
      await lockAccounts(tx, accountIds);
      const holdIds = expired.map(({ holdId }) => holdId);
      return { released: await release(tx, upTo, holdIds, accountIds), upTo };
    });

const findExpired = (tx: Tx, now: Date, since: Date | null, limit: number) =>
  tx.rows<{ holdId: string; accountId: string }>`
    select hold_id as "holdId", account_id as "accountId" from ledger.holds
     where expires_at <= ${now} and expires_at > coalesce(${since}::timestamptz, '-infinity') and closed_at is null
     limit ${limit}`;

/** In account order, like every transaction that moves what accounts hold. */
const lockAccounts = (tx: Tx, accountIds: readonly string[]) => tx.run`
  select from ledger.accounts where account_id = any(${accountIds}::uuid[]) order by account_id for update`;

/** A message or a file may have been quicker: what is closed by now, or expires later, or lies elsewhere, is left. */
async function release(
  tx: Tx,
  now: Date,
  holdIds: readonly string[],
  accountIds: readonly string[],
): Promise<number> {
  const [{ released }] = await tx.rows<{ released: bigint }>`
    with released as (
      update ledger.holds
         set closed_at = ${now}, closed_by = 'expiry', live_at = ${now}, live_movement_id = hold_id,
             stated_minor = case when stated_by_import is not null then coalesce(stated_minor, amount_minor) end
       where hold_id = any(${holdIds}::uuid[]) and account_id = any(${accountIds}::uuid[])
         and closed_at is null and expires_at <= ${now}
      returning account_id, amount_minor
    ), freed as (
      update ledger.accounts set held_minor = held_minor - freed.amount_minor
        from (select account_id, sum(amount_minor) as amount_minor from released group by account_id) freed
       where accounts.account_id = freed.account_id
    )
    select count(*) as released from released`;
  return Number(released);
}
