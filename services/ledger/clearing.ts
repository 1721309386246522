import type { Tx } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';

/**
 * The account that stands opposite to every balance a portfolio brings: one per currency, opened when first
 * needed. What it owes is what the earlier processor has still to settle.
 */
export const clearingAccountId = sql`md5('migration clearing ' || currency)::uuid`;

/** They are the same in every cell. */
const known = new Map<string, Buffer>();

/** The ids, in bytes, of the clearing accounts of some currencies, opened or not. */
export async function findClearingAccounts(
  tx: Tx,
  currencies: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Buffer>> {
  const unknown = [...currencies].filter((currency) => !known.has(currency));
  if (unknown.length > 0) {
    const found = await tx.rows<{ currency: string; id: Buffer }>`
      select currency, uuid_send(${clearingAccountId}) as id from unnest(${unknown}::text[]) as wanted(currency)`;
    for (const { currency, id } of found) known.set(currency, id);
  }
  return known;
}
