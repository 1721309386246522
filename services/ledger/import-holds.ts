import { int2, int8, uuid } from '#declare/columns.ts';
import { crashPoint } from '#runtime/crash-point.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import { type HoldAfter, type HoldHere, holdOfEachLine, judgeHoldLine } from './judge-hold-line.ts';
import { type HoldException, holdRow } from './service.ts';

type Holds = Batch<typeof holdRow>;

interface Import {
  readonly importNumber: number;
  /** The moment that the file speaks of. */
  readonly asOf: Date;
  readonly rows: Holds;
}

/**
 * Imports open holds; the rows of one call name every hold at most once. Held balances move with them. A hold that a
 * message placed and the file names, too, is one hold; what messages have done to a hold since the moment that the
 * file speaks of stays done.
 */
export const importHolds =
  (db: Database) =>
  async (sent: Import): Promise<HoldException[]> => {
    const others: string[] = [];
    for (;;) {
      const exceptions = await tryImport(db, sent, others);
      if (exceptions) return exceptions;
    }
  };

/** Answers null, with nothing written, when accounts are needed that were not locked; then `others` names them. */
const tryImport = (db: Database, sent: Import, others: string[]): Promise<HoldException[] | null> =>
  db.transaction(async (tx) => {
    const { importNumber, rows } = sent;
    await passImportGate(tx, 'ledger', importNumber);
    await lockAccounts(tx, rows, others);
    const here = await findHere(tx, sent);
    const elsewhere = here.filter(
      ({ sameAccount, accountId }) => !sameAccount && !others.includes(accountId),
    );
    if (elsewhere.length > 0) {
      others.push(...elsewhere.map(({ accountId }) => accountId));
      return null;
    }
    const found = holdOfEachLine(here);
    const isFound = new Set(found.map(({ line }) => line));
    const fresh =
      found.length === 0 ? rows : rows.pick(rows.columns.line.indexes((line) => !isFound.has(line)));
    const placed = fresh.rows === 0 ? 0 : await place(tx, importNumber, fresh);
    crashPoint('holds:placed');
    const exceptions = placed < fresh.rows ? await rejected(tx, fresh) : [];
    if (found.length === 0) return exceptions;
    const judged = found.map((each) => ({ here: each, ...judgeHoldLine(each) }));
    const changes = judged.flatMap(({ here, after }) => (after ? [{ ...here, after }] : []));
    if (changes.length > 0) await change(tx, importNumber, changedHolds(rows, changes));
    const unchanged = judged.flatMap(({ here, exception }) =>
      exception?.outcome === 'unchanged' ? [here.holdId] : [],
    );
    if (unchanged.length > 0) await nameAgain(tx, importNumber, unchanged);
    return [...exceptions, ...judged.flatMap(({ exception }) => exception ?? [])].sort(
      (a, b) => a.line - b.line,
    );
  });

/** In account order, so that neither chunks with holds on the same accounts nor messages can wait for each other. */
const lockAccounts = (tx: Tx, rows: Holds, others: readonly string[]) => tx.run`
  select from ledger.accounts
   where account_id = any(${rows.columns.accountId.array()}::uuid[] || ${others}::uuid[])
   order by account_id
     for update`;

/**
 * The holds that are here already: by the id that their external id gives them, by the one that a message gave them,
 * and releases ahead of them that knew neither. Those come in the order of their ids.
 */
const findHere = (tx: Tx, { importNumber, asOf, rows }: Import) => tx.rows<HoldHere>`
  select sent.line, here.hold_id as "holdId", here.place < 3 as "isNamed", here.account_id as "accountId",
         here.account_id = sent.account_id as "sameAccount",
         coalesce(account.currency = sent.currency, false) as "sameCurrency",
         coalesce(here.content_mac = sent.content_mac, false) as "sameContent",
         sent.amount_minor as "statedMinor", here.amount_minor as "amountMinor",
         here.closed_at is null as "isOpen", coalesce(here.closed_by = 'ahead', false) as "isAhead",
         coalesce(here.live_at >= ${asOf}, false) as "changedSince",
         coalesce(here.stated_by_import = ${importNumber}, false) as "isStated",
         case when here.import_number = ${importNumber} and here.import_line = sent.line
              then here.import_outcome end as earlier
    from ${rows.table('sent')}
    join lateral (
      select *, 1 as place from ledger.holds own where own.hold_id = sent.hold_id
       union all
      select *, 2 from ledger.holds live
       where live.hold_id = sent.live_hold_id
         and (live.import_number is null or live.external_hold_id = sent.external_hold_id)
       union all
      select *, 3 from ledger.holds ahead
       where ahead.card_id = sent.card_id and ahead.import_number is null and ahead.movement_id is null
         and ahead.rrn = sent.rrn and (ahead.approval_code = sent.approval_code or ahead.stan = sent.stan)
         and ahead.hold_id not in (sent.hold_id, sent.live_hold_id)
    ) here on true
    left join ledger.accounts account on account.account_id = sent.account_id
   order by sent.line, here.place, here.hold_id`;

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

/** What a file says again as it was said before is from now on of that file. */
const nameAgain = (tx: Tx, importNumber: number, holdIds: readonly string[]) => tx.run`
  update ledger.holds set stated_by_import = ${importNumber}
   where hold_id = any(${holdIds}::uuid[]) and stated_by_import <> ${importNumber}`;

/** The lines that were not placed. */
async function rejected(tx: Tx, rows: Holds): Promise<HoldException[]> {
  const lines = await tx.rows<{ line: number }>`
    select line from ${rows.table('sent')}
     where not exists (select from ledger.accounts
                        where accounts.account_id = sent.account_id and accounts.currency = sent.currency)`;
  return lines.map(({ line }) => ({ line, outcome: 'rejected', code: 'currency_mismatch' }));
}

/** The line that changes a hold, with the id that the hold has here, and what the hold comes to. */
const changedRow = {
  ...holdRow,
  hereId: uuid,
  afterMinor: int8,
  isOpenAfter: int2,
  saidMinor: int8.orNull,
} as const;
type Changed = Batch<typeof changedRow>;

interface HoldChange {
  readonly line: number;
  readonly holdId: string;
  readonly isNamed: boolean;
  readonly after: HoldAfter;
}

function changedHolds(rows: Holds, changes: readonly HoldChange[]): Changed {
  const ofLine = new Map(changes.map((each) => [each.line, each]));
  const lines: number[] = [];
  const indexes = rows.columns.line.indexes((line) => ofLine.has(line) && lines.push(line) > 0);
  const changed = new Batch(changedRow);
  const to = changed.columns;
  for (const name of Object.keys(holdRow) as (keyof typeof holdRow)[])
    if (name !== 'holdId') to[name].take(rows.columns[name], indexes);
  lines.forEach((line, i) => {
    const { holdId, isNamed, after } = ofLine.get(line)!;
    to.hereId.uuid(holdId);
    // What nobody knows by the id of a release ahead is from now on known by the one of its line.
    if (isNamed) to.holdId.uuid(holdId);
    else to.holdId.take(rows.columns.holdId, [indexes[i]]);
    to.afterMinor.int8(Number(after.amountMinor));
    to.isOpenAfter.int2(after.isOpen ? 1 : 0);
    if (after.statedMinor === null) to.saidMinor.null();
    else to.saidMinor.int8(Number(after.statedMinor));
  });
  return changed;
}

/** Brings holds to what is stated now, and the held balances of the accounts they leave and join with them. */
async function change(tx: Tx, importNumber: number, changed: Changed): Promise<void> {
  await tx.run`
    insert into ledger.replaced_holds (hold_id, replaced_by_import, replaced_by_line, image)
    select sent.hold_id, ${importNumber}, sent.line, here
      from ${changed.table('sent', ['line', 'holdId', 'hereId'])}
      join ledger.holds here on here.hold_id = sent.here_id`;
  await tx.run`
    with moved as (
      select account_id, sum(amount_minor) as amount_minor
        from (select here.account_id, -here.amount_minor as amount_minor
                from ${changed.table('sent', ['hereId'])} join ledger.holds here on here.hold_id = sent.here_id
               where here.closed_at is null
              union all
              select account_id, after_minor
                from ${changed.table('sent', ['accountId', 'afterMinor', 'isOpenAfter'])}
               where is_open_after = 1) sides
       group by account_id
    )
    update ledger.accounts set held_minor = held_minor + moved.amount_minor
      from moved where accounts.account_id = moved.account_id`;
  await tx.run`
    update ledger.holds here
       set hold_id = sent.hold_id, account_id = sent.account_id, card_id = sent.card_id, content_mac = sent.content_mac,
           amount_minor = sent.after_minor, stated_minor = sent.said_minor,
           closed_at = case when sent.is_open_after = 1 then null else here.closed_at end,
           closed_by = case when sent.is_open_after = 1 then null else here.closed_by end,
           approved_at = sent.approved_at, expires_at = sent.expires_at,
           import_number = ${importNumber}, import_line = sent.line, stated_by_import = ${importNumber},
           import_outcome = 'updated', external_hold_id = sent.external_hold_id, currency = sent.currency,
           merchant_name = sent.merchant_name, mcc = sent.mcc, approval_code = sent.approval_code,
           stan = sent.stan, rrn = sent.rrn
      from ${changed.table('sent')}
     where here.hold_id = sent.here_id`;
}
