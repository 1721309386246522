import type { Database, Tx } from '#runtime/database/database.ts';
import { shutImportGate } from '#runtime/database/import-gate.ts';
import { sql } from '#runtime/database/sql.ts';
import { clearingAccountId } from './clearing.ts';
import { movedEver } from './live-transfers.ts';
import { withdrawHolds } from './withdraw-holds.ts';

/**
 * An import whose books never closed never happened: the accounts it opened go together with their opening
 * transfers, and accounts that it restated return to what they were by a transfer of the difference.
 *
 * What messages have moved meanwhile did happen. It stays on top of what an account returns to; an account that the
 * import opened and messages moved stays with that alone, and waits for a file that states it.
 */
export const withdrawImport =
  (db: Database) =>
  ({ importNumber }: { importNumber: number }): Promise<{ accounts: number; holds: number }> =>
    db.transaction(async (tx) => {
      await shutImportGate(tx, 'ledger', importNumber);
      await lockAccounts(tx, importNumber);
      const holds = await withdrawHolds(tx, importNumber);
      await returnStatements(tx, importNumber);
      await removeOpeningTransfers(tx, importNumber);
      const accounts = (await keepMoved(tx, importNumber)) + (await removeOpened(tx, importNumber));
      return { accounts, holds };
    });

/** In account order, so that messages cannot wait for the withdrawal and it for them. */
const lockAccounts = (tx: Tx, importNumber: number) => tx.run`
  select from ledger.accounts
   where account_id in (
     select account_id from ledger.accounts where opened_by_import = ${importNumber}
      union select account_id from ledger.replaced_statements where replaced_by_import = ${importNumber}
      union select account_id from ledger.holds where import_number = ${importNumber}
      union select (image).account_id from ledger.replaced_holds where replaced_by_import = ${importNumber})
   order by account_id
     for update`;

const returnStatements = (tx: Tx, importNumber: number) => tx.run`
  with returned as (
    delete from ledger.replaced_statements where replaced_by_import = ${importNumber}
    returning account_id, image, restated_minor
  ), differences as (
    select here.account_id, here.currency,
           (image).posted_minor - coalesce(restated_minor, here.posted_minor) as difference
      from returned join ledger.accounts here using (account_id)
  ), moved as (
    insert into ledger.transfers
      (debit_account_id, credit_account_id, amount_minor, import_number, currency, reason)
    select case when difference > 0 then ${clearingAccountId} else account_id end,
           case when difference > 0 then account_id else ${clearingAccountId} end,
           abs(difference), ${importNumber}, currency, 'withdrawn_import'
      from differences
     where difference <> 0
  ), cleared as (
    update ledger.accounts set posted_minor = posted_minor - owed.difference
      from (select ${clearingAccountId} as clearing_id, sum(difference) as difference
              from differences group by currency) owed
     where accounts.account_id = owed.clearing_id
  )
  update ledger.accounts here
     set posted_minor = here.posted_minor + difference, credit_limit_minor = (image).credit_limit_minor,
         stated_by_import = (image).stated_by_import, stated_by_line = (image).stated_by_line,
         stated_as_of = (image).stated_as_of
    from returned join differences using (account_id)
   where here.account_id = returned.account_id`;

const removeOpeningTransfers = (tx: Tx, importNumber: number) => tx.run`
  delete from ledger.transfers where import_number = ${importNumber} and reason = 'opening_balance'`;

/** Leaves accounts that messages have moved, or hold something on, with what messages did. */
async function keepMoved(tx: Tx, importNumber: number): Promise<number> {
  const [{ accounts }] = await tx.rows<{ accounts: bigint }>`
    with opened as materialized (
      select account_id, posted_minor, held_minor, ${movedEver(sql`accounts.account_id`)} as moved_minor
        from ledger.accounts where opened_by_import = ${importNumber}
    ), kept as (
      update ledger.accounts here
         set posted_minor = coalesce(moved_minor, 0), credit_limit_minor = 0, opened_by_import = null,
             stated_by_import = null, stated_by_line = null, stated_as_of = null
        from opened
       where here.account_id = opened.account_id and (moved_minor is not null or opened.held_minor <> 0)
      returning here.currency, opened.posted_minor - coalesce(moved_minor, 0) as minor
    ), cleared as (
      update ledger.accounts set posted_minor = posted_minor + owed.minor
        from (select ${clearingAccountId} as clearing_id, sum(minor) as minor from kept group by currency) owed
       where accounts.account_id = owed.clearing_id
    )
    select count(*) as accounts from kept`;
  return Number(accounts);
}

async function removeOpened(tx: Tx, importNumber: number): Promise<number> {
  const [{ accounts }] = await tx.rows<{ accounts: bigint }>`
    with gone as (
      delete from ledger.accounts where opened_by_import = ${importNumber} returning currency, posted_minor
    ), cleared as (
      update ledger.accounts set posted_minor = posted_minor + owed.minor
        from (select ${clearingAccountId} as clearing_id, sum(posted_minor) as minor
                from gone group by currency) owed
       where accounts.account_id = owed.clearing_id
    )
    select count(*) as accounts from gone`;
  return Number(accounts);
}
