import type { Database } from '#runtime/database/database.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { shortened } from './history.ts';

const READ_MAX = 2_000;

interface Kept {
  readonly key: string;
  readonly request: Buffer;
  readonly told: string;
}

/** Which purchase a message on record is about; what is kept of it has no card data. */
const rrnOf = ({ request }: Kept): string => unpack(request).get(37) ?? '-';

/** The key of the message that moved, from the id of a movement: a further one has the last byte's highest bit set. */
const keyOf = (movementId: string): string =>
  movementId.slice(0, -2) + (Number.parseInt(movementId.slice(-2), 16) & 0x7f).toString(16).padStart(2, '0');

const keptOf = (admin: Database, account: string) => admin.rows<Kept>`
  select message_key::text as key, request,
         concat_ws(' ', kind, amount_minor, state, 'by', decided_by, 'code', response_code, 'approval', approval_code,
                   'own', own_code, own_reason, 'left', coalesce(messages.left_minor::text, 'all'), 'hold', left(hold_id::text, 8),
                   case when asked_again then 'asked again' end, 'late ' || late_code,
                   'advice due ' || advice_due_at, 'tried ' || nullif(advice_attempts, 0),
                   'received', to_char(received_at, 'HH24:MI:SS.MS'), 'answered', to_char(answered_at, 'HH24:MI:SS.MS'),
                   case when ahead.message_key is not null then 'reversed ahead to ' || ahead.left_minor end) as told
    from authorisations.messages join ledger.accounts using (account_id)
    left join authorisations.reversed_ahead ahead using (message_key)
   where external_account_id = ${account} order by received_at limit ${READ_MAX}`;

const holdsOf = (admin: Database, account: string) => admin.rows<{ rrn: string; told: string }>`
  select coalesce(rrn, '-') as rrn,
         concat_ws(' ', left(hold_id::text, 8), external_hold_id, 'of', amount_minor, 'approval', approval_code, 'stan',
                   stan, 'placed', approved_at, 'expires', expires_at,
                   case when closed_at is null then 'open' else 'closed by ' || closed_by || ' ' || closed_at end,
                   'stated ' || stated_minor, 'last moved ' || live_at) as told
    from ledger.holds join ledger.accounts using (account_id)
   where external_account_id = ${account} order by approved_at, hold_id limit ${READ_MAX}`;

interface Moved {
  readonly movementId: string | null;
  readonly minor: number;
  readonly told: string;
}

const movedOf = (admin: Database, account: string) => admin.rows<Moved>`
  select movement_id::text as "movementId",
         (case when credit_account_id = account_id then amount_minor else -amount_minor end)::float8 as minor,
         concat_ws(' ', reason, case when credit_account_id = account_id then '+' else '-' end || amount_minor, moved_at)
           as told
    from ledger.transfers join ledger.accounts on account_id in (debit_account_id, credit_account_id)
   where external_account_id = ${account} order by transfer_id limit ${READ_MAX}`;

/** How a message is on record; undefined while it is not, or not done. */
export async function recordOf(
  admin: Database,
  account: string,
  message: Message,
): Promise<{ code: string; approval: string | undefined } | undefined> {
  const rows = await admin.rows<{ request: Buffer; code: string; approval: string | null }>`
    select request, response_code as code, approval_code as approval
      from authorisations.messages join ledger.accounts using (account_id)
     where external_account_id = ${account} and state = 'done' limit ${READ_MAX}`;
  const found = rows.find(({ request }) => {
    const kept = unpack(request);
    return (
      kept.mti.slice(0, 3) === message.mti.slice(0, 3) &&
      [7, 11, 37].every((field) => kept.get(field) === message.get(field))
    );
  });
  return found && { code: found.code, approval: found.approval ?? undefined };
}

/** What messages have moved on an account for good, by RRN. */
export async function postedByPurchase(admin: Database, account: string): Promise<Map<string, number>> {
  const [kept, moved] = [await keptOf(admin, account), await movedOf(admin, account)];
  const rrns = new Map(kept.map((each) => [each.key, rrnOf(each)]));
  const posted = new Map<string, number>();
  for (const { movementId, minor } of moved) {
    if (movementId === null) continue;
    const rrn = rrns.get(movementId) ?? rrns.get(keyOf(movementId)) ?? '-';
    posted.set(rrn, (posted.get(rrn) ?? 0) + minor);
  }
  return posted;
}

/** What Relevo has on record about an account, or some of its purchases: messages, holds, transfers. */
export async function recordsOf(
  admin: Database,
  account: string,
  purchases: readonly string[] = [],
): Promise<string[]> {
  const [kept, holds, moved] = [
    await keptOf(admin, account),
    await holdsOf(admin, account),
    await movedOf(admin, account),
  ];
  const rrns = new Map(kept.map((each) => [each.key, rrnOf(each)]));
  const isMeant = (rrn: string) => purchases.length === 0 || purchases.includes(rrn);
  const told = (what: string, rrn: string, line: string) =>
    isMeant(rrn) ? [`on record  ${what} 37=${rrn} ${line}`] : [];
  return shortened([
    ...kept.flatMap((each) => told('message', rrnOf(each), each.told)),
    ...holds.flatMap(({ rrn, told: line }) => told('hold', rrn, line)),
    ...moved.flatMap(({ movementId, told: line }) => {
      const rrn = movementId === null ? '-' : (rrns.get(movementId) ?? rrns.get(keyOf(movementId)) ?? '-');
      return movementId === null || rrn === '-' || isMeant(rrn)
        ? [`on record  transfer 37=${rrn} ${line}`]
        : [];
    }),
  ]);
}
