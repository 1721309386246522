import { isFinancial, isRequest, isReversal } from '../request/kinds.ts';
import { type AuthorisationRequest, isApproval } from '../request/request.ts';
import type { Change, KnownMessage } from '../store/messages.ts';

/** What a message asks of the ledger; see `moveForMessages` there. */
export interface Movement {
  readonly kind: 'hold' | 'release' | 'post' | 'refund' | 'inspect';
  readonly cardId: string;
  readonly accountId: string;
  /** The hold that is placed, released or cleared. */
  readonly holdId: string | null;
  /** Of a release: what remains held. */
  readonly amountMinor: number;
  readonly currency: string;
  /** Also over the balance: what is told has happened. */
  readonly force: boolean;
}

/** What a message changes in what its card has spent. */
export type Spending =
  | { readonly kind: 'spend'; readonly amountMinor: number }
  | {
      readonly kind: 'give_back';
      readonly amountMinor: number;
      readonly whole: boolean;
      readonly approvedAt: Date;
    };

/** What entering a message comes to. */
export interface Entry {
  readonly movements: readonly Movement[];
  /** By which messages about it will know it; null when nothing was promised. */
  readonly approvalCode: string | null;
  readonly holdId: string | null;
  /** What reversals have left of it already. */
  readonly leftMinor: number | null;
  readonly spending: Spending | null;
  /** What becomes of messages that were recorded before. */
  readonly changes: readonly (readonly [key: string, change: Change])[];
  /** Remembered where the ledger knows no such hold: the message that is reversed has not come yet. */
  readonly ahead: { readonly keys: readonly string[]; readonly leftMinor: number } | null;
}

/** A message with all that is known of what it is about. */
export interface Situation {
  readonly request: AuthorisationRequest;
  readonly cardId: string;
  readonly accountId: string;
  /** The code under which it is, or was, approved. */
  readonly approvalCode: string | null;
  /** The hold of this card, RRN and approval code. */
  readonly holdId: string | null;
  /** The advice about this request, or the request that this advice is about. */
  readonly twin: KnownMessage | undefined;
  /** What field 90 names, the request or its advice, or both. */
  readonly originals: readonly KnownMessage[];
  /** The keys of what field 90 names. */
  readonly originalKeys: readonly string[];
  /** What reversals that came first have left of this message. */
  readonly reversedAhead: number | undefined;
}

/** Nothing is entered. */
export const NOTHING: Entry = {
  movements: [],
  approvalCode: null,
  holdId: null,
  leftMinor: null,
  spending: null,
  changes: [],
  ahead: null,
};

/** Whether a message has promised money. An advice that tells of a decline is recorded without an approval code. */
export const isStanding = (message: KnownMessage): boolean =>
  message.responseCode !== null && isApproval(message.responseCode) && message.approvalCode !== null;

/** An advice without field 39 tells of something that was approved. */
export const isAdvisedApproval = ({ advisedCode }: AuthorisationRequest): boolean =>
  advisedCode === undefined || isApproval(advisedCode);

/**
 * What entering a message moves: pure, so that own decisions, stand-in and what the earlier processor decided are
 * all entered by the same rules. `force` is what sets them apart: a decision here needs the balance, what has
 * happened elsewhere does not ask for it.
 */
export function enter(situation: Situation, { force }: { force: boolean }): Entry {
  const { kind } = situation.request;
  switch (kind) {
    case 'authorisation':
    case 'financial':
      return enterRequest(situation, force);
    case 'authorisation_advice':
    case 'financial_advice':
      return isAdvisedApproval(situation.request) ? enterAdvice(situation) : enterDecline(situation);
    case 'reversal':
    case 'reversal_advice':
      return enterReversal(situation);
  }
}

function enterRequest(situation: Situation, force: boolean): Entry {
  const { twin } = situation;
  // Its advice was faster: what somebody decided in our stead stays decided.
  if (twin && isStanding(twin)) return asKnown(twin);
  return enterPurchase(situation, force);
}

/** Networks send an advice for what they decided while the answer was late: then the request is here already. */
function enterAdvice(situation: Situation): Entry {
  const { twin, approvalCode, holdId } = situation;
  const request = twin && isStanding(twin) ? twin : undefined;
  if (!request) return enterPurchase(situation, true);
  const saysOther = situation.request.approvalCode !== undefined && approvalCode !== request.approvalCode;
  // Money that has moved for good is not held once more.
  const isHeld = !isFinancial(request.kind) && request.holdId !== null;
  if (!saysOther || !isHeld || holdId === null) return asKnown(request);
  // What follows will name the hold by the advice's code, so it moves there with what is left of it.
  const left = request.leftMinor ?? request.amountMinor;
  const account = accountOf(request, situation);
  const moves: Movement[] = [
    { ...account, kind: 'release', holdId: request.holdId, amountMinor: 0, force: true },
    { ...account, kind: 'hold', holdId, amountMinor: left, force: true },
  ];
  return {
    ...NOTHING,
    movements: left > 0 ? moves : [],
    approvalCode,
    holdId,
    leftMinor: request.leftMinor,
    changes: [[request.key, { leftMinor: request.leftMinor, holdId }]],
  };
}

/** An advice that the request was declined after all takes back what it moved here. */
function enterDecline(situation: Situation): Entry {
  const { twin } = situation;
  return twin && isStanding(twin) ? takeBack(situation, [twin], 0) : NOTHING;
}

const asKnown = ({ approvalCode, holdId, leftMinor }: KnownMessage): Entry => ({
  ...NOTHING,
  approvalCode,
  holdId,
  leftMinor,
});

function enterPurchase(situation: Situation, force: boolean): Entry {
  const { request, reversedAhead, approvalCode, holdId, cardId, accountId, originals } = situation;
  const { kind, direction, currency } = request;
  const amountMinor = Math.min(reversedAhead ?? request.amountMinor, request.amountMinor);
  const movement = (moves: Movement['kind'], of: string | null): Movement => ({
    kind: moves,
    cardId,
    accountId,
    holdId: of,
    amountMinor,
    currency,
    force,
  });
  const entered = { ...NOTHING, approvalCode, leftMinor: reversedAhead === undefined ? null : amountMinor };
  // A credit that is authorised reserves nothing; like an amount of nothing it is only looked at.
  if (amountMinor === 0 || (direction === 'credit' && !isFinancial(kind)))
    return { ...entered, movements: [{ ...movement('inspect', null), amountMinor: 0 }] };
  if (direction === 'credit') return { ...entered, movements: [movement('refund', null)] };
  const spending = { kind: 'spend', amountMinor } as const;
  if (!isFinancial(kind)) return { ...entered, holdId, spending, movements: [movement('hold', holdId)] };
  const cleared = originals.find((each) => each.holdId !== null)?.holdId ?? holdId;
  return { ...entered, holdId: cleared, spending, movements: [movement('post', cleared)] };
}

function enterReversal(situation: Situation): Entry {
  const { request, originals, originalKeys, holdId, cardId, accountId } = situation;
  const leftMinor = request.replacementMinor ?? 0;
  // What the earlier processor was asked and has not answered may still be approved, and what waits for its card is
  // entered later: as if it had not come yet.
  const decided = originals.filter(
    ({ responseCode, state }) => responseCode !== null && state !== 'unfollowed',
  );
  const ahead = originalKeys.length > 0 ? { keys: originalKeys, leftMinor } : null;
  // Of what was declined there is nothing to take back, but an advice may still say that it was approved.
  if (decided.length > 0 && !decided.some(isStanding)) return { ...NOTHING, ahead };
  if (decided.length > 0) return takeBack(situation, decided.filter(isStanding), leftMinor);
  // A hold that a file brought, one of a message that was never recorded, or one that has not come yet.
  const { currency } = request;
  return {
    ...NOTHING,
    holdId,
    movements: [
      { kind: 'release', cardId, accountId, holdId, amountMinor: leftMinor, currency, force: true },
    ],
    ahead,
  };
}

/** Takes back what one purchase moved, down to what is to be left of it. The request and its advice share it. */
function takeBack(situation: Situation, standing: readonly KnownMessage[], leftMinor: number): Entry {
  const purchase = standing.find(({ holdId }) => holdId !== null) ?? standing[0];
  if (!purchase) return NOTHING;
  const before = Math.min(...standing.map((each) => each.leftMinor ?? each.amountMinor));
  const { holdId } = purchase;
  if (leftMinor >= before) return { ...NOTHING, holdId };
  const account = accountOf(purchase, situation);
  const isDebit = situation.request.direction === 'debit';
  const back = before - leftMinor;
  const movements: Movement[] = isFinancial(purchase.kind)
    ? [{ ...account, kind: isDebit ? 'refund' : 'post', holdId: null, amountMinor: back, force: true }]
    : holdId !== null
      ? [{ ...account, kind: 'release', holdId, amountMinor: leftMinor, force: true }]
      : [];
  return {
    ...NOTHING,
    holdId,
    movements,
    changes: standing.map((each) => [each.key, { leftMinor, holdId: each.holdId }]),
    spending: isDebit
      ? {
          kind: 'give_back',
          amountMinor: back,
          whole: leftMinor === 0,
          approvedAt: purchase.receivedAt,
        }
      : null,
  };
}

/** A purchase stays with the account on which it was made, though its card may have another one by now. */
const accountOf = (purchase: KnownMessage, { cardId, accountId }: Situation) => ({
  cardId: purchase.cardId ?? cardId,
  accountId: purchase.accountId ?? accountId,
  currency: purchase.currency,
});

/**
 * Field 38 of the answer. A request learns its approval code there; an advice gets back what it brought, and a
 * reversal none.
 */
export function answeredApproval(
  request: AuthorisationRequest,
  responseCode: string,
  approvalCode: string | null,
): string | undefined {
  if (!isApproval(responseCode) || isReversal(request.kind)) return undefined;
  return isRequest(request.kind) ? (approvalCode ?? undefined) : request.approvalCode;
}
