import type { Batch } from '#runtime/batch/batch.ts';
import { uuidArray } from '#runtime/batch/uuid-array.ts';
import type { Tx } from '#runtime/database/database.ts';
import type { Account, ClosedBy, Here, Hold, Movement } from './judge-movements.ts';
import type { MovementKind, movementRow } from './service.ts';

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
  const namesHolds = movements.some(isAboutHold);
  const [accounts, holds, moved] = await Promise.all([
    lockAccounts(tx, indexOf, Math.min(...movements.map(({ movedAtMs }) => movedAtMs))),
    namesHolds ? findHolds(tx, rows, movements) : [],
    moves.length > 0 ? findMoved(tx, moves) : [],
  ]);
  const here = {
    accounts: new Map(accounts.map((account) => [account.accountId, account])),
    holds: new Map<string, Hold>(),
    holdsOfFiles: new Map<number, Hold[]>(),
    moved: new Set(moved.map(({ movementId }) => movementId)),
  };
  const elsewhere = new Set<string>();
  for (const { line, ...found } of holds) {
    const hold = here.holds.get(found.holdId) ?? holdHere(found);
    here.holds.set(hold.holdId, hold);
    if (line !== null) (here.holdsOfFiles.get(line) ?? listAt(here.holdsOfFiles, line)).push(hold);
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
  /** Of the row that RRN and approval code or STAN lead to it from; null where a row names it by its id. */
  readonly line: number | null;
  readonly holdId: string;
  readonly accountId: string;
  readonly amountMinor: bigint;
  readonly placedBy: string | null;
  readonly closedBy: ClosedBy | null;
}

/**
 * By id, also by that of a release ahead that knew none, and among the holds of files, the latest first. Hardly any
 * row finds one: so all are looked for at once, and what belongs to which row is asked of what was found.
 */
const findHolds = (tx: Tx, rows: Movements, movements: readonly Movement[]) => {
  const ids = uuidArray(movements.filter(isAboutHold).map(({ holdId, movementId }) => holdId ?? movementId));
  return tx.rows<FoundHold>`
    with of_files as materialized (
      select * from ledger.holds
       where card_id = any(${rows.columns.cardId.array()}::uuid[]) and import_number is not null
         and rrn = any(${rows.columns.rrn.array()}::text[])
    )
    select null::int4 as line, hold_id as "holdId", account_id as "accountId", amount_minor as "amountMinor",
           movement_id as "placedBy", closed_by as "closedBy", null::timestamptz as "approvedAt"
      from ledger.holds where hold_id = any(${ids}::uuid[])
     union all
    select sent.line, here.hold_id, here.account_id, here.amount_minor, here.movement_id, here.closed_by,
           here.approved_at
      from of_files here
      join ${rows.table('sent', ['line', 'kind', 'cardId', 'rrn', 'approvalCode', 'originalStan'])}
        on sent.kind = any(${ABOUT_HOLDS}::text[]) and sent.card_id = here.card_id and sent.rrn = here.rrn
       and (sent.approval_code = here.approval_code
            or sent.original_stan = here.stan and sent.kind <> 'hold')
     order by line, "approvedAt" desc, "holdId"`;
};

/** Kinds of movements that concern a hold. */
const ABOUT_HOLDS: readonly MovementKind[] = ['hold', 'release', 'post'];
const isAboutHold = ({ kind }: Movement): boolean => ABOUT_HOLDS.includes(kind);

const findMoved = (tx: Tx, movementIds: readonly string[]) => tx.rows<{ movementId: string }>`
  select movement_id as "movementId" from ledger.transfers where movement_id = any(${uuidArray(movementIds)}::uuid[])`;

const holdHere = ({ holdId, accountId, amountMinor, placedBy, closedBy }: Omit<FoundHold, 'line'>): Hold => ({
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
