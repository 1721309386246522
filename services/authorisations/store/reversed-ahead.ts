import type { Pipeline, Tx } from '#runtime/database/database.ts';

/** What reversals left of messages that have not come yet, by their keys; `keys` are an array of uuids. */
export async function findReversedAhead(tx: Tx, keys: Buffer): Promise<Map<string, number>> {
  const rows = await tx.rows<{ key: string; leftMinor: number }>`
    select message_key as key, left_minor::float8 as "leftMinor" from authorisations.reversed_ahead
     where message_key = any(${keys}::uuid[])`;
  return new Map(rows.map(({ key, leftMinor }) => [key, leftMinor]));
}

export function rememberReversedAhead(tx: Pipeline, ahead: ReadonlyMap<string, number>): void {
  if (ahead.size === 0) return;
  tx.send`
    insert into authorisations.reversed_ahead (message_key, left_minor, at)
    select message_key, left_minor, now()
      from unnest(${[...ahead.keys()]}::uuid[], ${[...ahead.values()]}::int8[]) as sent(message_key, left_minor)
        on conflict (message_key) do update
       set left_minor = least(reversed_ahead.left_minor, excluded.left_minor)`;
}

/**
 * A message that has not come for days will not come any more. Days of the database's clock: a process whose clock
 * has jumped ahead would forget what is still to come, and the message would be approved after its reversal.
 */
export const forgetReversedAhead = (tx: Tx, days: number) => tx.run`
  delete from authorisations.reversed_ahead where at < now() - make_interval(days => ${days}::int4)`;
