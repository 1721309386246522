import type { Database } from '#runtime/database/database.ts';

interface Told {
  readonly received: string;
  readonly kind: string;
  readonly amount: string;
  readonly by: string | null;
  readonly state: string;
  readonly code: string | null;
  readonly own: string | null;
  readonly left: string | null;
  readonly late: string | null;
}

interface ToldHold {
  readonly amount: string;
  readonly approved: string;
  readonly origin: string;
  readonly closed: string;
}

/** Messages and open or late holds of an account that differs: where a search begins. The id is masked. */
export async function historyOf(reporting: Database, account: string): Promise<string[]> {
  const ending = `%${account.split('…').at(-1)}`;
  const rows = await reporting.rows<Told>`
    select to_char(received_at at time zone 'UTC', 'HH24:MI:SS.MS') as received, kind, amount_minor::text as amount,
           decided_by as by, state, response_code as code, own_code as own, left_minor::text as left, late_code as late
      from reporting.messages join reporting.accounts using (account_id)
     where external_account_id like ${ending} order by received_at`;
  const holds = await reporting.rows<ToldHold>`
    select amount_minor::text as amount, to_char(approved_at at time zone 'UTC', 'HH24:MI:SS') as approved,
           concat_ws(' and ', case when external_hold_id is not null then 'file' end,
                     case when movement_id is not null then 'message' end) as origin,
           coalesce('closed by ' || closed_by || ' at ' || to_char(closed_at at time zone 'UTC', 'HH24:MI:SS'),
                    'open') as closed
      from reporting.holds join reporting.accounts using (account_id)
     where external_account_id like ${ending} order by approved_at`;
  const heldLines = holds.map(
    ({ amount, approved, origin, closed }) => `hold ${amount} of ${approved}, from ${origin}, ${closed}`,
  );
  const lines = rows.map(
    ({ received, kind, amount, by, state, code, own, left, late }) =>
      `${received} ${kind} ${amount} ${by} ${code} ${state}, own ${own}, left ${left}, late ${late}`,
  );
  return [...lines, ...heldLines];
}
