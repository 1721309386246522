import { csv, goodCard, goodHeader, goodHold } from '#services/migrations/portfolio/test-lines.ts';
import { withTrailer } from '#tools/testing/script.ts';
import { withCheckDigit } from '#tools/testing/pans.ts';
import type { Random } from '../lab/random.ts';

/** The range whose cards are decided here, and the one whose earlier processor decides. */
export const OWN_RANGE = '45091700';
export const RELAYED_RANGE = '510510';

/**
 * What a full file speaks of; everything of a simulation happens after it. The network's clock goes faster than the
 * database's, and what expires is closed by that one: it stays ahead, so that no file speaks of a later moment.
 */
export const OPENED_MS = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;

export interface SimulatedCard {
  readonly id: string;
  readonly pan: string;
  readonly isRelayed: boolean;
  readonly account: SimulatedAccount;
  readonly holds: SimulatedHold[];
}

export interface SimulatedAccount {
  readonly id: string;
  readonly type: 'debit' | 'credit';
  /** Alphabetic, and as field 49 has it. */
  readonly currency: string;
  readonly currencyNumber: string;
  readonly postedMinor: number;
  readonly limitMinor: number;
  readonly isRelayed: boolean;
}

/** A hold that the file brings. */
export interface SimulatedHold {
  readonly id: string;
  readonly amountMinor: number;
  readonly rrn: string;
  readonly stan: string;
  readonly approvalCode: string;
}

const CURRENCIES = [
  ['PEN', '604'],
  ['PEN', '604'],
  ['USD', '840'],
] as const;
export const SMALL = 2_000;

/** So many cards: every third one of the earlier processor, every fourth one on the account of one before it. */
export function drawCards(count: number, random: Random): SimulatedCard[] {
  const cards: SimulatedCard[] = [];
  for (let i = 0; i < count; i++) {
    const isRelayed = i % 3 === 2;
    const former = cards.findLast((card) => card.isRelayed === isRelayed);
    const isCredit = random.between(1, 4) === 1;
    const [currency, currencyNumber] = random.pick(CURRENCIES);
    const account: SimulatedAccount =
      i % 4 === 3 && former
        ? former.account
        : {
            id: `account-${i}`,
            type: isCredit ? 'credit' : 'debit',
            currency,
            currencyNumber,
            postedMinor: isCredit ? -random.between(0, SMALL) : random.between(SMALL, 10 * SMALL),
            limitMinor: isCredit ? random.between(5, 12) * SMALL : 0,
            isRelayed,
          };
    const body = (isRelayed ? RELAYED_RANGE : OWN_RANGE).padEnd(9, '0') + String(100_000 + i);
    const number = String(i).padStart(6, '0');
    const holds = isRelayed
      ? []
      : Array.from({ length: random.between(0, 2) }, (_, j) => ({
          id: `hold-${i}-${j}`,
          amountMinor: random.between(50, 400),
          rrn: `9${String(j).padStart(5, '0')}${number}`,
          stan: `9${String(j)}${number.slice(2)}`,
          approvalCode: `F${String(j)}${number.slice(2)}`,
        }));
    cards.push({ id: `card-${i}`, pan: withCheckDigit(body), isRelayed, account, holds });
  }
  return cards;
}

export interface Names {
  readonly tenant: string;
  readonly sequence: number;
  readonly asOfMs: number;
}

/** A balance or a hold of a file. */
export interface StatedHold extends SimulatedHold {
  readonly card: SimulatedCard;
  readonly expiresMs: number;
}

/** The text of a file that states these cards' accounts and these holds. */
export function portfolioText(
  { tenant, sequence, asOfMs }: Names,
  cards: readonly { readonly card: SimulatedCard; readonly postedMinor: number }[],
  holds: readonly StatedHold[],
): Buffer {
  const header = csv({
    ...goodHeader,
    file_id: `simulation-${sequence}`,
    tenant,
    kind: sequence === 1 ? 'full' : 'delta',
    sequence: String(sequence),
    created_at: instant(asOfMs),
    bin_ranges: `${OWN_RANGE};${RELAYED_RANGE}`,
  });
  const lines = cards.map(({ card, postedMinor }) => {
    const { account } = card;
    return csv({
      ...goodCard,
      external_card_id: card.id,
      version: String(sequence),
      pan: card.pan,
      external_account_id: account.id,
      account_type: account.type,
      currency: account.currency,
      posted_minor: String(postedMinor),
      credit_limit_minor: String(account.limitMinor),
      daily_limit_minor: Number(card.id.slice(5)) % 5 === 0 ? String(10 * SMALL) : '',
      external_cardholder_id: `holder-${card.id}`,
    });
  });
  const held = holds.map(({ card, ...hold }) =>
    csv({
      ...goodHold,
      external_hold_id: hold.id,
      external_card_id: card.id,
      amount_minor: String(hold.amountMinor),
      currency: card.account.currency,
      approval_code: hold.approvalCode,
      stan: hold.stan,
      rrn: hold.rrn,
      approved_at: instant(OPENED_MS - 86_400_000),
      expires_at: instant(hold.expiresMs),
    }),
  );
  return Buffer.from(withTrailer([header, ...lines, ...held]));
}

const instant = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
