import type { Card } from './book.ts';

/** What is asked of a card. */
export interface Ask {
  /** Field 14, where the message has it. */
  readonly expiry: string | undefined;
  readonly isCredit: boolean;
  readonly amountMinor: number;
  /** ISO 4217 letters; undefined for a number that stands for none. */
  readonly currency: string | undefined;
  readonly nowMs: number;
}

/** Why an ask ends as it does, and the code of field 39 that says so. */
export const CODES = {
  unknown_card: '14',
  lost: '41',
  stolen: '43',
  closed: '14',
  blocked: '62',
  damaged: '62',
  inactive: '78',
  expired: '54',
  expiry_differs: '54',
  wrong_currency: '57',
  over_daily_amount: '61',
  over_monthly_amount: '61',
  insufficient_funds: '51',
  approved: '00',
  malformed: '30',
  other_content: '94',
  reversed_ahead: '12',
} as const;

export type Reason = keyof typeof CODES;

/**
 * The earlier processor's own decision, by the documented order of precedence and written apart from Relevo's: the
 * first that applies is the answer.
 */
export function decide(ask: Ask, card: Card | undefined): Reason {
  if (!card) return 'unknown_card';
  if (card.status === 'lost') return 'lost';
  if (card.status === 'stolen') return 'stolen';
  if (card.status === 'closed') return 'closed';
  if (card.status === 'blocked') return 'blocked';
  if (card.status === 'damaged') return 'damaged';
  if (card.status === 'inactive') return 'inactive';
  if (card.status === 'expired' || isPast(card.expiry, ask.nowMs)) return 'expired';
  if (ask.expiry !== undefined && ask.expiry !== card.expiry) return 'expiry_differs';
  if (ask.currency !== card.account.currency) return 'wrong_currency';
  if (ask.isCredit) return 'approved';
  const spent = card.spentAt(ask.nowMs);
  if (card.dailyLimitMinor !== null && spent.dayMinor + ask.amountMinor > card.dailyLimitMinor)
    return 'over_daily_amount';
  if (card.monthlyLimitMinor !== null && spent.monthMinor + ask.amountMinor > card.monthlyLimitMinor)
    return 'over_monthly_amount';
  if (ask.amountMinor > availableMinor(card)) return 'insufficient_funds';
  return 'approved';
}

/** What may still be spent: what is there and not reserved, and on credit the limit too. */
function availableMinor({ account }: Card): number {
  const limit = account.type === 'credit' ? account.creditLimitMinor : 0;
  return limit + account.postedMinor - account.heldMinor;
}

/** A card is good to the end of the month of its expiry, `YYMM`. */
function isPast(expiry: string, nowMs: number): boolean {
  const now = new Date(nowMs);
  const month = (now.getUTCFullYear() % 100) * 100 + now.getUTCMonth() + 1;
  return Number(expiry) < month;
}
