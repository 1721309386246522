import { crashPoint } from '#runtime/crash-point.ts';
import { uuid, text, int8 } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import { same } from '#runtime/batch/tuples.ts';
import type { Database, Transaction, Tx } from '#runtime/database/database.ts';
import { insertAllNew } from '#runtime/database/all-new.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import { sql } from '#runtime/database/sql.ts';
import { clearingAccountId, findClearingAccounts } from './clearing.ts';
import { movedSince } from './live-transfers.ts';
import type { accountRow } from './service.ts';

type Accounts = Batch<typeof accountRow>;

/** What was moved between the clearing account and the accounts, in minor units by currency. */
type Moved = Map<string, bigint>;

interface Statement {
  readonly importNumber: number;
  /** The moment that the file speaks of. */
  readonly asOf: Date;
}

/**
 * Brings each account to the balance that a file states for it, by a transfer against the clearing account. What
 * messages have moved since the moment that the file speaks of is not in it, and comes on top.
 * An account is stated once per import; several cards of one file share an account and say the same of it.
 * That all are new is tried first. Answers the lines that did not state their account, because another had.
 *
 * The clearing account is one row that every chunk needs, so it is touched last: its lock is held for one
 * statement and the commit.
 */
export const stateAccounts =
  (db: Database) =>
  async ({ rows, ...statement }: Statement & { rows: Accounts }): Promise<number[]> =>
    (await openNew(db, statement, rows)) ? [] : stateAny(db, statement, rows);

const openNew = (db: Database, statement: Statement, rows: Accounts): Promise<boolean> =>
  insertAllNew(db, async (tx) => {
    const { importNumber, asOf } = statement;
    await passImportGate(tx, 'ledger', importNumber);
    const { line, ...columns } = rows.columns;
    await tx.copy('ledger.accounts', {
      ...columns,
      openedByImport: same.int4(importNumber),
      statedByImport: same.int4(importNumber),
      statedByLine: line,
      statedAsOf: same.timestamp(asOf),
    });
    crashPoint('accounts:opened');
    await clear(tx, await moveOpening(tx, importNumber, rows));
    return true;
  });

const stateAny = (db: Database, statement: Statement, rows: Accounts): Promise<number[]> =>
  db.transaction(async (tx) => {
    const { importNumber } = statement;
    await passImportGate(tx, 'ledger', importNumber);
    const opened = await openAccounts(tx, statement, rows);
    crashPoint('accounts:opened');
    const isOpened = new Set(opened.map(({ line }) => line));
    const moved = await moveOpening(
      tx,
      importNumber,
      rows.pick(rows.columns.line.indexes((line) => isOpened.has(line))),
    );
    const here = rows.pick(rows.columns.line.indexes((line) => !isOpened.has(line)));
    const others = await restate(tx, statement, here, moved);
    await clear(tx, moved);
    return others;
  });

/**
 * Opens accounts with their balance, which `moveOpening` and `clear` give its other side in the same transaction. In
 * account order, so that two chunks which share accounts cannot wait for each other.
 */
const openAccounts = (tx: Tx, { importNumber, asOf }: Statement, rows: Accounts) => tx.rows<{ line: number }>`
  insert into ledger.accounts
    (account_id, posted_minor, credit_limit_minor, opened_by_import, stated_by_import, stated_by_line,
     account_type, currency, external_account_id, stated_as_of)
  select account_id, posted_minor, credit_limit_minor, ${importNumber}, ${importNumber}, line, account_type,
         currency, external_account_id, ${asOf}::timestamptz
    from ${rows.table('sent')}
   order by account_id, line
      on conflict do nothing returning stated_by_line as line`;

const transferRow = {
  debitAccountId: uuid,
  creditAccountId: uuid,
  amountMinor: int8,
  currency: text,
} as const;

/** The transfers that bring new accounts their balance; answers what they moved. */
async function moveOpening(tx: Transaction, importNumber: number, opened: Accounts): Promise<Moved> {
  const { accountId, currency, postedMinor } = opened.columns;
  const currencies = currency.texts();
  const clearing = await findClearingAccounts(tx, new Set(currencies));
  const moved: Moved = new Map();
  const transfers = new Batch(transferRow);
  const to = transfers.columns;
  currencies.forEach((of, i) => {
    const minor = postedMinor.int8At(i);
    if (minor === 0) return;
    moved.set(of, (moved.get(of) ?? 0n) + BigInt(minor));
    const sides = [accountId.uuidAt(i), clearing.get(of)!];
    const [debit, credit] = minor > 0 ? sides.reverse() : sides;
    to.debitAccountId.slice(debit);
    to.creditAccountId.slice(credit);
    to.amountMinor.int8(Math.abs(minor));
    to.currency.string(of);
  });
  if (transfers.rows > 0)
    await tx.copy('ledger.transfers', {
      ...to,
      importNumber: same.int4(importNumber),
      reason: same.text('opening_balance'),
    });
  return moved;
}

/**
 * Accounts that an earlier import stated are brought to what is stated now by a transfer of the difference.
 * Answers the lines that did not state their account.
 */
async function restate(
  tx: Tx,
  { importNumber, asOf }: Statement,
  rows: Accounts,
  moved: Moved,
): Promise<number[]> {
  if (rows.rows === 0) return [];
  // In account order, so that neither chunks which share accounts nor messages can wait for each other.
  await tx.run`
    select from ledger.accounts
     where account_id = any(${rows.columns.accountId.array()}::uuid[])
     order by account_id
       for update`;
  const restated = await tx.rows<{ currency: string; minor: string }>`
    with stated as (
      select distinct on (here.account_id)
             here as image, sent.line, sent.posted_minor, sent.credit_limit_minor, here.account_id, here.currency,
             here.posted_minor as before_minor
        from ${rows.table('sent')} join ledger.accounts here using (account_id)
       where here.stated_by_import is distinct from ${importNumber}
       order by here.account_id, sent.line
    ), restated as materialized (
      select *, after_minor - before_minor as difference
        from (select *, posted_minor + ${movedSince(sql`stated.account_id`, sql`${asOf}`)} as after_minor
                from stated) live
    ), kept as (
      insert into ledger.replaced_statements (account_id, replaced_by_import, image, restated_minor)
      select account_id, ${importNumber}, image, after_minor from restated
    ), moved as (
      insert into ledger.transfers
        (debit_account_id, credit_account_id, amount_minor, import_number, currency, reason)
      select case when difference > 0 then ${clearingAccountId} else account_id end,
             case when difference > 0 then account_id else ${clearingAccountId} end,
             abs(difference), ${importNumber}, currency, 'restated_balance'
        from restated
       where difference <> 0
    ), brought as (
      update ledger.accounts here
         set posted_minor = restated.after_minor, credit_limit_minor = restated.credit_limit_minor,
             stated_by_import = ${importNumber}, stated_by_line = restated.line, stated_as_of = ${asOf}
        from restated
       where here.account_id = restated.account_id
    )
    select currency, sum(difference)::text as minor from restated group by currency`;
  for (const { currency, minor } of restated) add(moved, currency, minor);
  const others = await tx.rows<{ line: number }>`
    select sent.line
      from ${rows.table('sent')} join ledger.accounts here using (account_id)
     where (here.stated_by_import, here.stated_by_line) is distinct from (${importNumber}, sent.line)`;
  return others.map(({ line }) => line);
}

/** The other side of all that was moved, opened with the first movement of its currency. */
async function clear(tx: Tx, moved: Moved): Promise<void> {
  const currencies = [...moved.keys()].sort();
  if (currencies.length === 0) return;
  await tx.run`
    insert into ledger.accounts (account_id, posted_minor, account_type, currency)
    select ${clearingAccountId}, -minor, 'clearing', currency
      from unnest(${currencies}::text[], ${currencies.map((currency) => moved.get(currency)!)}::int8[])
        as moved(currency, minor)
     order by currency
        on conflict (account_id) do update set posted_minor = accounts.posted_minor + excluded.posted_minor`;
}

const add = (moved: Moved, currency: string, minor: string) =>
  moved.set(currency, (moved.get(currency) ?? 0n) + BigInt(minor));
