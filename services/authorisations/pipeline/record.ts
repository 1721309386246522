import { uuidBytes } from '#runtime/uuid-bytes.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { DecidedBy, MessageRecord, State } from '../store/messages.ts';
import type { BatchWork } from './batch.ts';
import type { Task } from './task.ts';

/** How a message ended, or how far it has come. */
export interface Ending {
  readonly state: State;
  readonly decidedBy: DecidedBy | null;
  readonly code: string | null;
  readonly approvalCode?: string | null;
  readonly holdId?: string | null;
  readonly leftMinor?: number | null;
  readonly ownCode?: string | null;
  readonly ownReason?: string | null;
  readonly draftCode?: string | null;
  /** The earlier processor has to be told. */
  readonly adviceDue?: boolean;
}

/** An advice is due now, but behind those of its card that are due already. */
function dueMs({ codes }: Task, now: Date, untold: Map<string, number>): number {
  const due = Math.max(now.getTime(), (untold.get(codes.panIndex) ?? 0) + 1);
  untold.set(codes.panIndex, due);
  return due;
}

/** All times are the database's. `untold` says of which cards advices are due already. */
export function recordOf(
  task: Task,
  ending: Ending,
  { now, aheadMs }: Pick<BatchWork, 'now' | 'aheadMs'>,
  vault: Vault,
  untold = new Map<string, number>(),
): MessageRecord {
  const { request, codes, card, range, earlier } = task;
  const { state, decidedBy, code, adviceDue = false } = ending;
  return {
    key: codes.key,
    content: codes.content,
    panIndex: codes.panIndex,
    originalKey: codes.originalKey,
    kind: request.kind,
    prefix: range?.prefix ?? '',
    receivedMs: task.receivedMs - aheadMs,
    movedMs: request.transmittedAt.getTime(),
    amountMinor: request.amountMinor,
    currency: request.currency,
    panMasked: request.pan.masked,
    request: task.kept,
    state,
    decidedBy,
    cardId: card?.cardId ?? null,
    accountId: card?.accountId ?? null,
    holdId: ending.holdId ?? null,
    leftMinor: ending.leftMinor ?? null,
    responseCode: code,
    approvalCode: ending.approvalCode ?? null,
    ownCode: ending.ownCode ?? null,
    ownReason: ending.ownReason ?? null,
    draftCode: ending.draftCode ?? null,
    answeredMs: code === null ? null : now.getTime(),
    adviceDueMs: adviceDue ? dueMs(task, now, untold) : null,
    answer: earlier?.kept ?? null,
    answerHasPan: earlier?.hasPan ?? false,
    // Of a card that is not here nobody else could tell the number, should the earlier processor be asked or told.
    panSealed: !card && (state === 'relaying' || adviceDue) ? sealPan(task, vault) : null,
  };
}

/** Where the sealed number of a card that is not here belongs: its message. */
export const placeOfMessage = (key: string): Buffer => uuidBytes(key);

const sealPan = ({ request, codes }: Task, vault: Vault): Buffer =>
  vault.seal('pan', Buffer.from(request.pan.reveal(), 'latin1'), placeOfMessage(codes.key));
