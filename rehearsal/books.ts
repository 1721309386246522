import type { Database } from '#runtime/database/database.ts';
import type { Book } from '#simulators/processor/book.ts';
import { compareBalances, type Comparison } from '#simulators/reckoning/compare.ts';
import type { Balance, Reckoning } from '#simulators/reckoning/reckoning.ts';

/** Every account's posted and held amount, three times over. */
export interface BooksCompared {
  /** Relevo's ledger against what was sent and answered. */
  readonly reckoning: Comparison;
  /** Relevo's ledger against the earlier processor's book, which every advice has reached by now. */
  readonly earlier: Comparison;
  readonly equal: boolean;
}

export async function compareBooks(
  reporting: Database,
  reckoning: Reckoning,
  book: Book,
): Promise<BooksCompared> {
  const rows = await reporting.rows<Balance & { accountId: string }>`
    select external_account_id as "accountId", posted_minor::float8 as "postedMinor",
           held_minor::float8 as "heldMinor"
      from reporting.accounts where external_account_id is not null`;
  const expected = reckoning.expected();
  const known = rows.filter(({ accountId }) => expected.has(accountId));
  const unresolved = reckoning.unresolved();
  const byReckoning = compareBalances(expected, known, unresolved);
  const earlier = new Map<string, Balance>();
  for (const [id, { postedMinor, heldMinor }] of book.accounts) earlier.set(id, { postedMinor, heldMinor });
  const byEarlier = compareBalances(earlier, known);
  return {
    reckoning: byReckoning,
    earlier: byEarlier,
    equal: byReckoning.equal && byReckoning.unresolved === 0 && byEarlier.equal,
  };
}
