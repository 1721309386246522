import type { BatchCmac } from './cmac.ts';

/** Sets the ids of holds that messages place apart from those that files bring. */
const LIVE_HOLD = 0x4c;
const CARD_ID_BYTES = 16;

/**
 * Adds to `ids`, a coder of the purpose `ids`, the hold of a card by what every message about it carries: RRN
 * (12 characters) and approval code (6). Answers its number; `markAsIds` makes the codes ids. A clearing or a
 * reversal finds its hold by this id, and so does the `O` line of a file that names a hold which a message placed.
 */
export function addLiveHoldId(
  ids: BatchCmac,
  cardIds: Uint8Array,
  cardIdAt: number,
  rrn: Uint8Array,
  approvalCode: Uint8Array,
): number {
  ids.appendByte(LIVE_HOLD);
  ids.append(cardIds, cardIdAt, cardIdAt + CARD_ID_BYTES);
  ids.append(rrn);
  return ids.add(approvalCode);
}
