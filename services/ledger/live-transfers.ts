import { type Fragment, sql } from '#runtime/database/sql.ts';

/** The cardholder's side of a live transfer, as the index `transfers_live` has it. */
export const movedAccountId = sql`case reason when 'refund' then credit_account_id else debit_account_id end`;

/** What messages have moved on an account, in minor units: a scalar of SQL. Both arguments are pieces of SQL. */
export const movedSince = (accountId: Fragment, since: Fragment): Fragment => sql`(
  select coalesce(sum(case reason when 'refund' then amount_minor else -amount_minor end), 0)::int8
    from ledger.transfers
   where movement_id is not null and ${movedAccountId} = ${accountId} and moved_at >= ${since})`;

/** All that messages have moved on an account; null where they have moved nothing. */
export const movedEver = (accountId: Fragment): Fragment => sql`(
  select sum(case reason when 'refund' then amount_minor else -amount_minor end)::int8
    from ledger.transfers
   where movement_id is not null and ${movedAccountId} = ${accountId})`;
