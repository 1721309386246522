import { C, O } from '../portfolio/fields.ts';
import type { Portfolio } from '../portfolio/read-portfolio.ts';
import { currencyNumber } from '../wire/currencies.ts';
import { toField7 } from '../wire/times.ts';

/** A card as shops see it. */
export interface NetworkCard {
  /** External ids, for reckoning. */
  readonly id: string;
  readonly accountId: string;
  readonly pan: string;
  /** `YYMM` */
  readonly expiry: string;
  /** ISO 4217 number, as field 49 has it. */
  readonly currency: string;
  /** Good and with money behind it, when the portfolio was made: most purchases are tried with such cards. */
  readonly isPromising: boolean;
  /** Merchant categories its holder goes to; all when there are none. */
  readonly categories?: readonly string[];
}

/** A reservation from before this network's first message: it will be cleared or reversed like any other. */
export interface EarlierHold {
  readonly card: NetworkCard;
  readonly amountMinor: number;
  readonly approvalCode: string;
  readonly stan: string;
  readonly rrn: string;
  readonly field7: string;
  readonly category: string;
}

export interface CardSet {
  readonly cards: readonly NetworkCard[];
  readonly earlierHolds: readonly EarlierHold[];
}

export function cardSetOf(portfolio: Portfolio): CardSet {
  const month = Number(toYearMonth(portfolio.createdAtMs));
  const cards = new Map<string, NetworkCard>();
  for (const fields of portfolio.cards) {
    const isGood = fields[C.status] === 'active' && Number(fields[C.expiry]) >= month;
    const spendable = Number(fields[C.posted_minor]) + Number(fields[C.credit_limit_minor]);
    cards.set(fields[C.external_card_id], {
      id: fields[C.external_card_id],
      accountId: fields[C.external_account_id],
      pan: fields[C.pan],
      expiry: fields[C.expiry],
      currency: currencyNumber(fields[C.currency]),
      isPromising: isGood && spendable >= PROMISING_MINOR,
    });
  }
  const earlierHolds = portfolio.holds.flatMap((fields) => {
    const card = cards.get(fields[O.external_card_id]);
    if (!card) return [];
    return {
      card,
      amountMinor: Number(fields[O.amount_minor]),
      approvalCode: fields[O.approval_code],
      stan: fields[O.stan],
      rrn: fields[O.rrn],
      field7: toField7(Date.parse(fields[O.approved_at])),
      category: fields[O.mcc],
    };
  });
  return { cards: [...cards.values()], earlierHolds };
}

/** So much at least makes a few ordinary purchases. */
const PROMISING_MINOR = 100_000;

const toYearMonth = (ms: number): string => new Date(ms).toISOString().slice(2, 7).replace('-', '');
