import type { Answer } from './ask-gateway.ts';
import type { SealedCell } from './sealed-cell.ts';

/**
 * Whether an answer holds nothing of any cell but its own: no id that only another one has. Ids are derived under a
 * key of the cell, so the same card has another id in each; numbers of migrations are counted from 1 in each.
 */
export function answersOwnCell(answer: Answer, own: SealedCell, cells: readonly SealedCell[]): boolean {
  const mine = idsOf(own);
  return !cells.some(
    (other) => other !== own && idsOf(other).some((id) => !mine.includes(id) && answer.text.includes(id)),
  );
}

const UUID_LENGTH = 36;
const idsOf = ({ ids, client, second }: SealedCell): string[] => [
  ...Object.values(ids)
    .flat()
    .filter((id) => id.length === UUID_LENGTH),
  client.clientId,
  second.clientId,
];
