import { isRequest } from '../request/kinds.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import { codeOf, type Reason, reasons, type ResponseCode } from '../request/response-codes.ts';
import type { SecurityVerdict } from '../request/security-module.ts';
import { type Limits, permits } from '../controls/limits.ts';
import { type CardView, isPastExpiry } from './card-view.ts';
import type { Usage } from './usage.ts';

/** All that a decision is made from, but what the ledger alone knows. */
export interface Facts {
  readonly request: AuthorisationRequest;
  readonly card: CardView;
  /** As it stands now, before this request. */
  readonly usage: Usage;
  readonly limits: Limits;
  readonly security: SecurityVerdict;
  /** Whether a PIN that nothing here could check is let through. */
  readonly uncheckedPin: 'pass' | 'decline';
  readonly now: Date;
}

/**
 * Whom a rule concerns. An advice or a reversal tells what has happened: it is entered and not decided. Limits,
 * controls and funds are about spending, so a refund meets none of them.
 */
export type Concern = 'every message' | 'requests' | 'debits';

export interface PrecedenceRule {
  readonly reason: Reason;
  readonly concerns: Concern;
  /** Null where the ledger alone can say. */
  readonly applies: ((facts: Facts) => boolean) | null;
}

const hasStatus =
  (status: CardView['status']) =>
  ({ card }: Facts): boolean =>
    card.status === status;

const over = (limit: number | null, value: number): boolean => limit !== null && value > limit;

/**
 * Why a message is declined, in order of precedence: when several reasons apply, the first is answered. Decisions
 * and the reference are read from this one table; there is no other order anywhere.
 */
export const precedence: readonly PrecedenceRule[] = [
  // Without a card there are no facts: `judgeBeforeFunds` answers it before it asks this table.
  { reason: 'unknown_card', concerns: 'every message', applies: () => false },
  { reason: 'lost', concerns: 'requests', applies: hasStatus('lost') },
  { reason: 'stolen', concerns: 'requests', applies: hasStatus('stolen') },
  { reason: 'closed', concerns: 'requests', applies: hasStatus('closed') },
  { reason: 'blocked', concerns: 'requests', applies: hasStatus('blocked') },
  { reason: 'damaged', concerns: 'requests', applies: hasStatus('damaged') },
  { reason: 'inactive', concerns: 'requests', applies: hasStatus('inactive') },
  {
    reason: 'expired',
    concerns: 'requests',
    applies: ({ card, now }) => card.status === 'expired' || isPastExpiry(card.expiry, now),
  },
  {
    reason: 'expiry_differs',
    concerns: 'requests',
    applies: ({ card, request }) => request.expiry !== undefined && request.expiry !== card.expiry,
  },
  { reason: 'wrong_pin', concerns: 'requests', applies: ({ security }) => security.pin === 'wrong' },
  {
    reason: 'pin_not_checked',
    concerns: 'requests',
    applies: ({ request, security, uncheckedPin }) =>
      request.hasPin && uncheckedPin === 'decline' && security.pin === 'not_checked',
  },
  { reason: 'wrong_chip', concerns: 'requests', applies: ({ security }) => security.chip === 'wrong' },
  { reason: 'wrong_currency', concerns: 'every message', applies: null },
  {
    reason: 'over_single_amount',
    concerns: 'debits',
    applies: ({ request, limits }) => over(limits.singleMinor, request.amountMinor),
  },
  {
    reason: 'over_daily_amount',
    concerns: 'debits',
    applies: ({ request, usage, limits }) => over(limits.dailyMinor, usage.dayMinor + request.amountMinor),
  },
  {
    reason: 'over_monthly_amount',
    concerns: 'debits',
    applies: ({ request, usage, limits }) =>
      over(limits.monthlyMinor, usage.monthMinor + request.amountMinor),
  },
  {
    reason: 'over_daily_count',
    concerns: 'debits',
    applies: ({ usage, limits }) => over(limits.dailyCount, usage.dayCount + 1),
  },
  {
    reason: 'over_monthly_count',
    concerns: 'debits',
    applies: ({ usage, limits }) => over(limits.monthlyCount, usage.monthCount + 1),
  },
  {
    reason: 'category_blocked',
    concerns: 'debits',
    applies: ({ request, limits }) => !permits(limits.categories, request.merchant.mcc),
  },
  {
    reason: 'country_blocked',
    concerns: 'debits',
    applies: ({ request, limits }) => !permits(limits.countries, request.merchant.country),
  },
  { reason: 'insufficient_funds', concerns: 'debits', applies: null },
  { reason: 'approved', concerns: 'every message', applies: null },
];

const places = new Map(precedence.map(({ reason }, place) => [reason, place]));

/** Where a reason stands: the lower place is answered. Reasons outside the table come after all others. */
export const placeOf = (reason: Reason): number => places.get(reason) ?? precedence.length;

export function concerns(concern: Concern, request: AuthorisationRequest): boolean {
  if (concern === 'every message') return true;
  if (!isRequest(request.kind)) return false;
  return concern === 'requests' || request.direction === 'debit';
}

/** The table in words, for references and people. */
export const precedenceTable = (): {
  code: ResponseCode;
  reason: Reason;
  concerns: Concern;
  text: string;
}[] =>
  precedence.map(({ reason, concerns }) => ({
    code: codeOf(reason),
    reason,
    concerns,
    text: reasons[reason].text,
  }));
