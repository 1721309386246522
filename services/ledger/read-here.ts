import type { Batch } from '#runtime/batch/batch.ts';
import { uuidArray } from '#runtime/batch/uuid-array.ts';
import type { Tx } from '#runtime/database/database.ts';
import type { Account, ClosedBy, Here, Hold, Movement } from './judge-movements.ts';
import type { movementRow } from './service.ts';

type Movements = Batch<typeof movementRow>;

/**
 * Locks the accounts that movements name, then reads what the ledger holds of them; all of it leaves at once. Each
 * statement sees what was committed when it began, so the later ones see all that the locks had to wait for.
 *
 * A hold may lie on another account than its row says, if its card has moved to another one since. Such accounts
 * have to be locked in their order among the others, so they are answered, and the call begins anew with them.
 */
export async function readHere(
  tx: Tx,
  rows: Movements,
  movements: readonly Movement[],
  others: readonly string[],
): Promise<{ here: Here; elsewhere: string[] }> {
  const indexOf = new Map<string, number | null>(others.map((accountId) => [accountId, null]));
  for (const { accountId, index } of movements) indexOf.set(accountId, index);
  const moves = movements.flatMap(({ kind, movementId }) =>
    kind === 'post' || kind === 'refund' ? [movementId] : [],
  );
  const namesHolds = movements.some(({ kind }) => kind !== 'refund' && kind !== 'inspect');
  const [accounts, holds, moved] = await Promise.all([
    lockAccounts(tx, indexOf, Math.min(...movements.map(({ movedAtMs }) => movedAtMs))),
    namesHolds ? findHolds(tx, rows) : [],
    moves.length > 0 ? findMoved(tx, moves) : [],
  ]);
  const here = {
    accounts: new Map(accounts.map((account) => [account.accountId, account])),
    holds: new Map<string, Hold>(),
    holdsOfFiles: new Map<number, Hold[]>(),
    moved: new Set(moved.map(({ movementId }) => movementId)),
  };
  const elsewhere = new Set<string>();
  for (const { line, isNamed, ...found } of holds) {
    const hold = here.holds.get(found.holdId) ?? holdHere(found);
    here.holds.set(hold.holdId, hold);
    if (!isNamed) (here.holdsOfFiles.get(line) ?? listAt(here.holdsOfFiles, line)).push(hold);
    if (!indexOf.has(hold.accountId)) elsewhere.add(hold.accountId);
  }
  return { here, elsewhere: [...elsewhere] };
}

function listAt<T>(lists: Map<number, T[]>, at: number): T[] {
  const list: T[] = [];
  lists.set(at, list);
  return list;
}

/**
 * In account order, like every transaction that moves what accounts hold. The accounts on the other side, of which
 * many transactions need the same one, are no one's to name; their locks come last.
 */
const lockAccounts = async (
  tx: Tx,
  indexOf: ReadonlyMap<string, number | null>,
  earliestMs: number,
): Promise<Account[]> => {
  const locked = await tx.rows<Omit<Account, 'statedAsOfMs' | 'index'> & { statedAsOf: Date | null }>`
    select account_id as "accountId", currency, posted_minor as "postedMinor", held_minor as "heldMinor",
           credit_limit_minor as "creditLimitMinor",
           case when stated_as_of > ${new Date(earliestMs)} then stated_as_of end as "statedAsOf"
      from ledger.accounts
     where account_id = any(${uuidArray(indexOf.keys())}::uuid[]) and account_type in ('debit', 'prepaid', 'credit')
     order by account_id
       for update`;
  return locked.map((account) => ({
    accountId: account.accountId,
    currency: account.currency,
    postedMinor: account.postedMinor,
    heldMinor: account.heldMinor,
    creditLimitMinor: account.creditLimitMinor,
    statedAsOfMs: account.statedAsOf ? account.statedAsOf.getTime() : -Infinity,
    index: indexOf.get(account.accountId)!,
  }));
};

interface FoundHold {
  readonly line: number;
  /** The row names it by its id. */
  readonly isNamed: boolean;
  readonly holdId: string;
  readonly accountId: string;
  readonly amountMinor: bigint;
  readonly placedBy: string | null;
  readonly closedBy: ClosedBy | null;
}

/** By id, also by that of a release ahead that knew none, and among the holds of files, the latest first. */
const findHolds = (tx: Tx, rows: Movements) => tx.rows<FoundHold>`
  select sent.line, is_named as "isNamed", here.hold_id as "holdId", here.account_id as "accountId",
         here.amount_minor as "amountMinor", here.movement_id as "placedBy", here.closed_by as "closedBy"
    from ${rows.table('sent', ['line', 'kind', 'holdId', 'movementId', 'cardId', 'rrn', 'approvalCode', 'originalStan'])}
    join lateral (
      select *, true as is_named from ledger.holds named where named.hold_id = coalesce(sent.hold_id, sent.movement_id)
       union all
      select *, false from ledger.holds of_file
       where of_file.card_id = sent.card_id and import_number is not null and of_file.rrn = sent.rrn
         and (of_file.approval_code = sent.approval_code
              or of_file.stan = sent.original_stan and sent.kind <> 'hold')
    ) here on sent.kind in ('hold', 'release', 'post')
   order by sent.line, here.approved_at desc, here.hold_id`;

const findMoved = (tx: Tx, movementIds: readonly string[]) => tx.rows<{ movementId: string }>`
  select movement_id as "movementId" from ledger.transfers where movement_id = any(${uuidArray(movementIds)}::uuid[])`;

const holdHere = ({
  holdId,
  accountId,
  amountMinor,
  placedBy,
  closedBy,
}: Omit<FoundHold, 'line' | 'isNamed'>): Hold => ({
  holdId,
  accountId,
  amountMinor,
  placedBy,
  closedBy,
  closedAtMs: null,
  touchedIndex: null,
  touchedAtMs: 0,
  index: null,
  isHere: true,
});
