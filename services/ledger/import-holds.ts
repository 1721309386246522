import { crashPoint } from '#runtime/crash-point.ts';
import type { Batch } from '#runtime/batch/batch.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import type { HoldException, holdRow } from './service.ts';

type Holds = Batch<typeof holdRow>;

/** Imports open holds; the rows of one call name every hold at most once. Held balances move with them. */
export const importHolds =
  (db: Database) =>
  ({ importNumber, rows }: { importNumber: number; rows: Holds }): Promise<HoldException[]> =>
    db.transaction(async (tx) => {
      await passImportGate(tx, 'ledger', importNumber);
      await lockAccounts(tx, rows);
      const placed = await place(tx, importNumber, rows);
      crashPoint('holds:placed');
      if (placed === rows.rows) return [];
      const exceptions = (await compareWithHere(tx, importNumber, rows)).flatMap(decide);
      const lines = exceptions.filter((e) => e.outcome === 'updated' && !e.replayed).map(({ line }) => line);
      if (lines.length > 0) await change(tx, importNumber, rows, lines);
      await tx.run`
        update ledger.holds set stated_by_import = ${importNumber}
          from ${rows.table('sent')}
         where holds.hold_id = sent.hold_id and holds.content_mac = sent.content_mac
           and holds.stated_by_import <> ${importNumber}`;
      return exceptions.map(({ line, outcome, code }) => ({ line, outcome, code }));
    });

/** In account order, so that two chunks with holds on the same accounts cannot wait for each other. */
async function lockAccounts(tx: Tx, rows: Holds): Promise<void> {
  // A hold that is here already may lie on another account than the one it is stated for now.
  const here = await tx.rows<{ accountId: string }>`
    select account_id as "accountId" from ledger.holds
     where hold_id = any(${rows.columns.holdId.array()}::uuid[])`;
  await tx.run`
    select from ledger.accounts
     where account_id = any(${rows.columns.accountId.array()}::uuid[] ||
                            ${here.map(({ accountId }) => accountId)}::uuid[])
     order by account_id
       for update`;
}

async function place(tx: Tx, importNumber: number, rows: Holds): Promise<number> {
  const [{ placed }] = await tx.rows<{ placed: bigint }>`
    with placed as (
      insert into ledger.holds
        (hold_id, account_id, card_id, content_mac, amount_minor, approved_at, expires_at, import_number,
         import_line, stated_by_import, import_outcome, external_hold_id, currency, merchant_name, mcc,
         approval_code, stan, rrn)
      select hold_id, account_id, card_id, content_mac, amount_minor, approved_at, expires_at, ${importNumber},
             line, ${importNumber}, 'migrated', external_hold_id, currency, merchant_name, mcc, approval_code,
             stan, rrn
        from ${rows.table('sent')}
       where exists (select from ledger.accounts
                      where accounts.account_id = sent.account_id and accounts.currency = sent.currency)
       order by hold_id
          on conflict do nothing
      returning account_id, amount_minor
    ), held as (
      update ledger.accounts
         set held_minor = held_minor + added.amount_minor
        from (select account_id, sum(amount_minor) as amount_minor from placed group by account_id) added
       where accounts.account_id = added.account_id
    )
    select count(*) as placed from placed`;
  return Number(placed);
}

interface Comparison {
  line: number;
  sameCurrency: boolean;
  sameContent: boolean;
  /** What this very line did when the import ran it before. */
  earlier: 'migrated' | 'updated' | null;
}

const compareWithHere = (tx: Tx, importNumber: number, rows: Holds) => tx.rows<Comparison>`
  select sent.line,
         coalesce(account.currency = sent.currency, false) as "sameCurrency",
         coalesce(here.content_mac = sent.content_mac, false) as "sameContent",
         case when here.import_number = ${importNumber} and here.import_line = sent.line
              then here.import_outcome end as earlier
    from ${rows.table('sent')}
    left join ledger.accounts account on account.account_id = sent.account_id
    left join ledger.holds here on here.hold_id = sent.hold_id
   order by sent.line`;

function decide(row: Comparison): (HoldException & { replayed: boolean })[] {
  const { line } = row;
  if (row.earlier === 'migrated') return [];
  if (row.earlier === 'updated') return [{ line, outcome: 'updated', code: null, replayed: true }];
  if (!row.sameCurrency) return [{ line, outcome: 'rejected', code: 'currency_mismatch', replayed: false }];
  return [{ line, outcome: row.sameContent ? 'unchanged' : 'updated', code: null, replayed: false }];
}

/** Brings holds to what is stated now, and the held balances of the accounts they leave and join with them. */
async function change(tx: Tx, importNumber: number, rows: Holds, lines: number[]): Promise<void> {
  await tx.run`
    insert into ledger.replaced_holds (hold_id, replaced_by_import, replaced_by_line, image)
    select here.hold_id, ${importNumber}, sent.line, here
      from ${rows.table('sent')} join ledger.holds here on here.hold_id = sent.hold_id
     where sent.line = any(${lines})`;
  await tx.run`
    with moved as (
      select account_id, sum(amount_minor) as amount_minor
        from (select here.account_id, -here.amount_minor as amount_minor
                from ${rows.table('sent')} join ledger.holds here on here.hold_id = sent.hold_id
               where sent.line = any(${lines})
              union all
              select account_id, amount_minor from ${rows.table('sent')} where line = any(${lines})) sides
       group by account_id
    )
    update ledger.accounts set held_minor = held_minor + moved.amount_minor
      from moved where accounts.account_id = moved.account_id`;
  await tx.run`
    update ledger.holds here
       set account_id = sent.account_id, card_id = sent.card_id, content_mac = sent.content_mac,
           amount_minor = sent.amount_minor, approved_at = sent.approved_at, expires_at = sent.expires_at,
           import_number = ${importNumber}, import_line = sent.line, stated_by_import = ${importNumber},
           import_outcome = 'updated', currency = sent.currency, merchant_name = sent.merchant_name,
           mcc = sent.mcc, approval_code = sent.approval_code, stan = sent.stan, rrn = sent.rrn
      from ${rows.table('sent')}
     where here.hold_id = sent.hold_id and sent.line = any(${lines})`;
}
