import type { Database, Tx } from '#runtime/database/database.ts';
import { shutImportGate } from '#runtime/database/import-gate.ts';
import { clearingAccountId } from './clearing.ts';

/**
 * An import whose books never closed never happened: the accounts it opened go together with their opening
 * transfers, and accounts that it restated return to what they were by a transfer of the difference.
 */
export const withdrawImport =
  (db: Database) =>
  ({ importNumber }: { importNumber: number }): Promise<{ accounts: number; holds: number }> =>
    db.transaction(async (tx) => {
      await shutImportGate(tx, 'ledger', importNumber);
      const holds = await withdrawHolds(tx, importNumber);
      await returnStatements(tx, importNumber);
      const accounts = await removeOpened(tx, importNumber);
      return { accounts, holds };
    });

async function withdrawHolds(tx: Tx, importNumber: number): Promise<number> {
  const [{ holds }] = await tx.rows<{ holds: bigint }>`
    with gone as (
      delete from ledger.holds where import_number = ${importNumber} returning account_id, amount_minor
    ), released as (
      update ledger.accounts set held_minor = held_minor - freed.amount_minor
        from (select account_id, sum(amount_minor) as amount_minor from gone group by account_id) freed
       where accounts.account_id = freed.account_id
    )
    select count(*) as holds from gone`;
  await tx.run`
    with first as (
      select distinct on (hold_id) image
        from ledger.replaced_holds
       where replaced_by_import = ${importNumber}
       order by hold_id, replaced_by_line
    ), returned as (
      insert into ledger.holds select (image).* from first where (image).import_number <> ${importNumber}
      returning account_id, amount_minor
    )
    update ledger.accounts set held_minor = held_minor + again.amount_minor
      from (select account_id, sum(amount_minor) as amount_minor from returned group by account_id) again
     where accounts.account_id = again.account_id`;
  await tx.run`delete from ledger.replaced_holds where replaced_by_import = ${importNumber}`;
  return Number(holds);
}

const returnStatements = (tx: Tx, importNumber: number) => tx.run`
  with returned as (
    delete from ledger.replaced_statements where replaced_by_import = ${importNumber} returning account_id, image
  ), differences as (
    select here.account_id, here.currency, (image).posted_minor - here.posted_minor as difference
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
     set posted_minor = (image).posted_minor, credit_limit_minor = (image).credit_limit_minor,
         stated_by_import = (image).stated_by_import, stated_by_line = (image).stated_by_line
    from returned
   where here.account_id = returned.account_id`;

async function removeOpened(tx: Tx, importNumber: number): Promise<number> {
  await tx.run`
    delete from ledger.transfers where import_number = ${importNumber} and reason = 'opening_balance'`;
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
