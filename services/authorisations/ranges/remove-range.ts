import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { CutoverCell } from '../cutover/cutover-cell.ts';
import { holdRange } from '../store/ranges.ts';
import { rangeNamed } from './list-ranges.ts';
import { takeTurn } from './set-range.ts';

const PAGE = 500;

/**
 * Removes a BIN range that nothing hangs on: no card of it is here and no message of it was ever taken. It undoes a
 * mistake; a range that has lived stays, for its messages, approvals and flips name it.
 */
export const removeRange = (
  { db, clients }: Pick<CutoverCell, 'db' | 'clients'>,
  prefix: string,
  operator: string,
): Promise<void> =>
  db.transaction(async (tx) => {
    await takeTurn(tx);
    await rangeNamed(tx, prefix);
    await holdRange(tx, prefix);
    if (await hasCards(clients, prefix))
      throw new Refusal(
        'range_in_use',
        `Cards of ${prefix} are here; without the range nobody would answer for them.`,
        {
          advice: 'Change it with relevo range set instead.',
        },
      );
    if (await hasMessages(tx, prefix))
      throw new Refusal('range_in_use', `Messages of ${prefix} are on record; the range explains them.`, {
        advice: 'Leave it: a range without cards costs nothing.',
      });
    await tx.run`delete from authorisations.approvals where prefix = ${prefix}`;
    const removed = await tx.run`delete from authorisations.ranges where prefix = ${prefix}`;
    if (removed > 0)
      await clients.audit.appendEntries([{ actor: operator, action: 'range.removed', subject: prefix }]);
  });

/** The first card ends the search; pages of a longer prefix may be empty before the last one. */
async function hasCards({ cards }: CutoverCell['clients'], prefix: string): Promise<boolean> {
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof cards.listCardsOfRange>> = await cards.listCardsOfRange({
      prefix,
      after,
      limit: PAGE,
    });
    if (page.cards.length > 0) return true;
    after = page.after;
  } while (after !== null);
  return false;
}

async function hasMessages(tx: Tx, prefix: string): Promise<boolean> {
  const [{ any }] = await tx.rows<{ any: boolean }>`
    select exists (select from authorisations.messages where prefix = ${prefix}) as any`;
  return any;
}
