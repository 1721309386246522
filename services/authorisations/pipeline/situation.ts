import type { CardView } from '../decision/card-view.ts';
import type { Situation } from './entry.ts';
import type { Codes } from './message-codes.ts';
import type { Reading } from './reading.ts';
import type { About, Task } from './task.ts';

/** The keys of what field 90 names: a request, and its advice. */
export const originalKeysOf = ({ originalKey, originalTwinKey }: Codes): string[] =>
  [originalKey, originalTwinKey].filter((key) => key !== null);

/** All that is known of a message when it is entered, whoever decided it. */
export function situationOf(
  { request, codes }: Task,
  { cardId, accountId }: CardView,
  known: { readonly about: About } & Pick<Situation, 'approvalCode' | 'holdId'>,
  { reversedAhead }: Reading,
): Situation {
  const { about, approvalCode, holdId } = known;
  return {
    request,
    cardId,
    accountId,
    approvalCode,
    holdId,
    twin: about.twin,
    originals: about.originals,
    originalKeys: originalKeysOf(codes),
    reversedAhead: reversedAhead.get(codes.key),
  };
}
