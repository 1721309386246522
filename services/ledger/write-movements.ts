import { int8, text, timestamp, uuid } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import type { Pipeline } from '#runtime/database/database.ts';
import { type Fragment, sql } from '#runtime/database/sql.ts';
import type { Account, Hold, Judged, Transfer } from './judge-movements.ts';
import { movementRow } from './service.ts';
import { settlementAccountId } from './settlement.ts';

type Movements = Batch<typeof movementRow>;

const { accountId, currency } = movementRow;

/** Columns of a hold that go to the table as they came. */
const namesAsSent = [
  'accountId',
  'cardId',
  'currency',
  'approvalCode',
  'rrn',
  'mcc',
  'merchantName',
  'expiresAt',
] as const;
const asSent = Object.fromEntries(namesAsSent.map((name) => [name, movementRow[name]])) as Pick<
  typeof movementRow,
  (typeof namesAsSent)[number]
>;

const touchedRow = {
  amountMinor: int8,
  liveMovementId: uuid,
  liveAt: timestamp,
  closedAt: timestamp.orNull,
  closedBy: text.orNull,
} as const;
const placedRow = {
  ...asSent,
  ...touchedRow,
  holdId: uuid,
  movementId: uuid.orNull,
  stan: text.orNull,
  approvedAt: timestamp,
} as const;
const changedRow = { ...touchedRow, holdId: uuid } as const;
const transferRow = {
  movementId: uuid,
  accountId,
  amountMinor: int8,
  currency,
  reason: text,
  movedAt: timestamp,
} as const;
const balanceRow = { accountId, postedMinor: int8, heldMinor: int8 } as const;

/**
 * Sends what calls come to. Its buffers serve call after call: a statement has left with their content when it
 * is sent.
 */
export class MovementWriter {
  readonly #placed = new Batch(placedRow);
  readonly #changed = new Batch(changedRow);
  readonly #transfers = new Batch(transferRow);
  readonly #balances = new Batch(balanceRow);

  /** The caller's `commit` travels with it. The settlement accounts come last. */
  write(tx: Pipeline, rows: Movements, judged: Judged): void {
    const holds = [...judged.holds];
    const placed = holds.filter(({ index }) => index !== null).sort((a, b) => a.index! - b.index!);
    const changed = holds.filter(({ index }) => index === null);
    const replaced = placed.filter(({ isHere }) => isHere);
    if (replaced.length > 0) forget(tx, replaced);
    if (placed.length > 0) this.#insertHolds(tx, rows, placed);
    const parts: Fragment[] = [];
    if (changed.length > 0) parts.push(this.#changeHolds(rows, changed));
    if (judged.transfers.length > 0) parts.push(this.#insertTransfers(rows, judged.transfers));
    if (judged.accounts.size > 0) parts.push(this.#setBalances(rows, judged.accounts));
    tx.sendTogether(parts);
    if (judged.settled.size > 0) settle(tx, judged.settled);
  }

  /** Holds that this call placed, as it leaves them. */
  #insertHolds(tx: Pipeline, rows: Movements, holds: readonly Hold[]): void {
    this.#placed.clear();
    const isAhead = ({ closedBy }: Hold) => closedBy === 'ahead';
    this.#place(
      rows,
      holds.filter((hold) => !isAhead(hold)),
      { isAhead: false },
    );
    this.#place(rows, holds.filter(isAhead), { isAhead: true });
    tx.copy('ledger.holds', this.#placed.columns);
  }

  /** A release ahead places nothing: it is no movement that a repeat of the hold would be known by. */
  #place(rows: Movements, holds: readonly Hold[], { isAhead }: { isAhead: boolean }): void {
    const to = this.#placed.columns;
    const from = rows.columns;
    const indexes = holds.map(({ index }) => index!);
    for (const name of namesAsSent) to[name].take(from[name], indexes);
    to.approvedAt.take(from.movedAt, indexes);
    to.stan.take(isAhead ? from.originalStan : from.stan, indexes);
    const movementIds = from.movementId;
    for (const hold of holds) {
      addTouched(to, hold, movementIds);
      to.holdId.uuid(hold.holdId);
      if (isAhead) to.movementId.null();
      else to.movementId.takeUuid(movementIds, hold.index!);
    }
  }

  #changeHolds(rows: Movements, holds: readonly Hold[]): Fragment {
    const changed = this.#changed;
    changed.clear();
    const movementIds = rows.columns.movementId;
    for (const hold of holds) {
      addTouched(changed.columns, hold, movementIds);
      changed.columns.holdId.uuid(hold.holdId);
    }
    // What a file stated is kept beside what is left of it: the file's books are closed by it.
    return sql`
      update ledger.holds here
         set amount_minor = changed.amount_minor, live_movement_id = changed.live_movement_id,
             live_at = changed.live_at,
             closed_at = changed.closed_at, closed_by = changed.closed_by,
             stated_minor = case when stated_by_import is not null
                                 then coalesce(stated_minor, here.amount_minor) end
        from ${changed.table('changed')}
       where here.hold_id = changed.hold_id`;
  }

  #insertTransfers(rows: Movements, transfers: readonly Transfer[]): Fragment {
    const moved = this.#transfers;
    moved.clear();
    const sorted = [...transfers].sort((a, b) => a.index - b.index);
    const indexes = sorted.map(({ index }) => index);
    for (const name of ['movementId', 'accountId', 'amountMinor', 'currency'] as const)
      moved.columns[name].take(rows.columns[name], indexes);
    for (const transfer of sorted) {
      moved.columns.reason.string(transfer.reason);
      moved.columns.movedAt.timestamp(transfer.movedAtMs);
    }
    return sql`
      insert into ledger.transfers
        (debit_account_id, credit_account_id, amount_minor, movement_id, moved_at, currency, reason)
      select case reason when 'refund' then ${settlementAccountId} else account_id end,
             case reason when 'refund' then account_id else ${settlementAccountId} end,
             amount_minor, movement_id, moved_at, currency, reason
        from ${moved.table('moved')}`;
  }

  #setBalances(rows: Movements, accounts: Iterable<Account>): Fragment {
    const balances = this.#balances;
    balances.clear();
    const to = balances.columns;
    const accountIds = rows.columns.accountId;
    for (const account of accounts) {
      if (account.index === null) to.accountId.uuid(account.accountId);
      else to.accountId.takeUuid(accountIds, account.index);
      addMinor(to.postedMinor, account.postedMinor);
      addMinor(to.heldMinor, account.heldMinor);
    }
    return sql`
      update ledger.accounts here
         set posted_minor = after.posted_minor, held_minor = after.held_minor
        from ${balances.table('after')}
       where here.account_id = after.account_id`;
  }
}

/** What was remembered of a hold gives way to the hold itself. */
const forget = (tx: Pipeline, holds: readonly Hold[]) => tx.send`
  delete from ledger.holds where hold_id = any(${holds.map(({ holdId }) => holdId)}::uuid[])`;

/** One row for each currency, which every call needs: its lock is held for this statement and the commit. */
function settle(tx: Pipeline, settled: ReadonlyMap<string, bigint>): void {
  const currencies = [...settled.keys()].sort();
  tx.send`
    insert into ledger.accounts (account_id, posted_minor, account_type, currency)
    select ${settlementAccountId}, minor, 'settlement', currency
      from (select unnest(${currencies}::text[]) as currency,
                   unnest(${currencies.map((each) => settled.get(each)!)}::int8[]) as minor) settled
     order by currency
        on conflict (account_id) do update set posted_minor = accounts.posted_minor + excluded.posted_minor`;
}

function addTouched(to: Batch<typeof touchedRow>['columns'], hold: Hold, movementIds: ColumnBuffer): void {
  to.amountMinor.int8(Number(hold.amountMinor));
  to.liveMovementId.takeUuid(movementIds, hold.touchedIndex!);
  to.liveAt.timestamp(hold.touchedAtMs);
  if (hold.closedBy === null) {
    to.closedAt.null();
    to.closedBy.null();
  } else {
    to.closedAt.timestamp(hold.closedAtMs!);
    to.closedBy.string(hold.closedBy);
  }
}

const int8Bytes = Buffer.alloc(8);

/** A balance may be more than a number holds exactly. */
function addMinor(to: ColumnBuffer, minor: bigint): void {
  int8Bytes.writeBigInt64BE(minor);
  to.slice(int8Bytes);
}
