import type { Limits } from '../controls/limits.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import { codeOf, type Reason, type ResponseCode } from '../request/response-codes.ts';
import { NOT_CHECKED, type SecurityVerdict } from '../request/security-module.ts';
import type { CardView } from './card-view.ts';
import { concerns, type Facts, placeOf, precedence } from './precedence.ts';
import { NO_USAGE, type Usage, usageAt } from './usage.ts';

/**
 * The decision, pure and in two steps, because the ledger alone knows money and is asked for many messages at once.
 *
 * `judgeBeforeFunds` answers what can be told without it. `concludeWithLedger` takes in what it said. Both read
 * the order from `precedence`.
 */
export interface Decision {
  readonly code: ResponseCode;
  readonly reason: Reason;
  /**
   * True where the ledger may know a reason that goes before this one: the account's currency. Then it is asked
   * without moving anything (`inspect`), and `concludeWithLedger` has the last word.
   */
  readonly provisional: boolean;
}

export type Judgement = Decision | 'ask_ledger';

export interface Rules {
  readonly limits: Limits;
  /** Whether a PIN that nothing here could check is let through; it is unless the range says otherwise. */
  readonly uncheckedPin?: 'pass' | 'decline';
  readonly security?: SecurityVerdict;
}

const decisionFor = (reason: Reason, provisional = false): Decision => ({
  code: codeOf(reason),
  reason,
  provisional,
});

/**
 * What can be decided without the ledger. `card` is null when no card of that number is here; `usage` is brought to
 * `now` here, and null for a card never used.
 */
export function judgeBeforeFunds(
  request: AuthorisationRequest,
  card: CardView | null,
  usage: Usage | null,
  rules: Rules,
  now: Date,
): Judgement {
  if (!card) return decisionFor('unknown_card');
  const facts: Facts = {
    request,
    card,
    usage: usageAt(usage ?? NO_USAGE, now),
    limits: rules.limits,
    security: rules.security ?? NOT_CHECKED,
    uncheckedPin: rules.uncheckedPin ?? 'pass',
    now,
  };
  let asksLedger = false;
  for (const rule of precedence) {
    if (!concerns(rule.concerns, request)) continue;
    if (rule.reason === 'wrong_currency' && card.currency !== undefined) {
      if (card.currency !== request.currency) return decisionFor('wrong_currency');
    } else if (!rule.applies) asksLedger = true;
    else if (rule.applies(facts)) return decisionFor(rule.reason, asksLedger);
  }
  return 'ask_ledger';
}

/** What the ledger said of the movement, or of the inspection, that a judgement asked for. */
export type LedgerVerdict =
  | 'moved'
  | 'already'
  | 'covered'
  | 'insufficient_funds'
  | 'wrong_currency'
  | 'unknown_account'
  | 'no_hold'
  | 'closed';

/** A hold that finds itself closed was reversed before it came: that is what a release of an unknown hold leaves. */
const reasonOfLedger: Readonly<Record<LedgerVerdict, Reason>> = {
  moved: 'approved',
  already: 'approved',
  covered: 'approved',
  insufficient_funds: 'insufficient_funds',
  wrong_currency: 'wrong_currency',
  unknown_account: 'unknown_account',
  no_hold: 'reversed_ahead',
  closed: 'reversed_ahead',
};

/**
 * The decision about a hold or an inspection once the ledger has spoken: of its reason and the one before, that of
 * higher precedence.
 */
export function concludeWithLedger(judgement: Judgement, verdict: LedgerVerdict): Decision {
  const reason = reasonOfLedger[verdict];
  if (judgement === 'ask_ledger') return decisionFor(reason);
  const ledgerFirst = judgement.provisional && placeOf(reason) < placeOf(judgement.reason);
  return decisionFor(ledgerFirst ? reason : judgement.reason);
}
