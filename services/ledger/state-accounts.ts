import type { Batch } from '#runtime/batch/batch.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import { clearingAccountId } from './clearing.ts';
import type { accountRow } from './service.ts';

type Accounts = Batch<typeof accountRow>;

/**
 * Brings each account to the balance that a file states for it, by a transfer against the clearing account.
 * An account is stated once per import; several cards of one file share an account and say the same of it.
 */
export const stateAccounts =
  (db: Database) =>
  ({ importNumber, rows }: { importNumber: number; rows: Accounts }): Promise<number[]> =>
    db.transaction(async (tx) => {
      await passImportGate(tx, 'ledger', importNumber);
      if ((await open(tx, importNumber, rows)) === rows.rows) return [];
      await restate(tx, importNumber, rows);
      const others = await tx.rows<{ line: number }>`
        select sent.line
          from ${rows.table('sent')} join ledger.accounts here using (account_id)
         where (here.stated_by_import, here.stated_by_line) is distinct from (${importNumber}, sent.line)`;
      return others.map(({ line }) => line);
    });

/** Opens the accounts that are not here yet, each with its opening transfer; answers how many. */
async function open(tx: Tx, importNumber: number, rows: Accounts): Promise<number> {
  const [{ opened }] = await tx.rows<{ opened: bigint }>`
    with opened as (
      insert into ledger.accounts
        (account_id, posted_minor, credit_limit_minor, opened_by_import, stated_by_import, stated_by_line,
         account_type, currency, external_account_id)
      select account_id, posted_minor, credit_limit_minor, ${importNumber}, ${importNumber}, line, account_type,
             currency, external_account_id
        from ${rows.table('sent')}
       order by account_id, line
          on conflict do nothing
      returning account_id, currency, posted_minor
    ), moved as (
      insert into ledger.transfers
        (debit_account_id, credit_account_id, amount_minor, import_number, currency, reason)
      select case when posted_minor > 0 then ${clearingAccountId} else account_id end,
             case when posted_minor > 0 then account_id else ${clearingAccountId} end,
             abs(posted_minor), ${importNumber}, currency, 'opening_balance'
        from opened
       where posted_minor <> 0
    ), cleared as (
      insert into ledger.accounts (account_id, posted_minor, account_type, currency)
      select ${clearingAccountId}, -sum(posted_minor), 'clearing', currency
        from opened
       group by currency
       order by currency
          on conflict (account_id) do update set posted_minor = accounts.posted_minor + excluded.posted_minor
    )
    select count(*) as opened from opened`;
  return Number(opened);
}

/** Accounts that an earlier import stated: a transfer of the difference brings them to what is stated now. */
async function restate(tx: Tx, importNumber: number, rows: Accounts): Promise<void> {
  // In account order, so that two chunks which share accounts cannot wait for each other.
  await tx.run`
    select from ledger.accounts
     where account_id in (select account_id from ${rows.table('sent')})
     order by account_id
       for update`;
  await tx.run`
    with restated as (
      select distinct on (here.account_id)
             here as image, sent.line, sent.posted_minor, sent.credit_limit_minor,
             sent.posted_minor - here.posted_minor as difference, here.account_id, here.currency
        from ${rows.table('sent')} join ledger.accounts here using (account_id)
       where here.stated_by_import is distinct from ${importNumber}
       order by here.account_id, sent.line
    ), kept as (
      insert into ledger.replaced_statements (account_id, replaced_by_import, image)
      select account_id, ${importNumber}, image from restated
    ), moved as (
      insert into ledger.transfers
        (debit_account_id, credit_account_id, amount_minor, import_number, currency, reason)
      select case when difference > 0 then ${clearingAccountId} else account_id end,
             case when difference > 0 then account_id else ${clearingAccountId} end,
             abs(difference), ${importNumber}, currency, 'restated_balance'
        from restated
       where difference <> 0
    ), cleared as (
      insert into ledger.accounts (account_id, posted_minor, account_type, currency)
      select ${clearingAccountId}, -sum(difference), 'clearing', currency
        from restated
       group by currency
       order by currency
          on conflict (account_id) do update set posted_minor = accounts.posted_minor + excluded.posted_minor
    )
    update ledger.accounts here
       set posted_minor = restated.posted_minor, credit_limit_minor = restated.credit_limit_minor,
           stated_by_import = ${importNumber}, stated_by_line = restated.line
      from restated
     where here.account_id = restated.account_id`;
}
