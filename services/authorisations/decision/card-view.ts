export type CardStatus =
  'active' | 'inactive' | 'blocked' | 'lost' | 'stolen' | 'damaged' | 'expired' | 'closed';

/** What a decision has to know of a card. */
export interface CardView {
  readonly cardId: string;
  readonly accountId: string;
  readonly status: CardStatus;
  /** `YYMM`: the card is good to the end of that month, in UTC. */
  readonly expiry: string;
  readonly product: string;
  /** Limits that came with the portfolio, amounts of a UTC day and month. */
  readonly dailyLimitMinor: number | null;
  readonly monthlyLimitMinor: number | null;
  /** Of the account, where the caller knows it already; it saves asking the ledger about a decline. */
  readonly currency?: string;
}

/** Whether the month of `expiry` is over. Two digits of a year mean 2000 to 2099. */
export function isPastExpiry(expiry: string, now: Date): boolean {
  const month = (2000 + Number(expiry.slice(0, 2))) * 12 + Number(expiry.slice(2, 4)) - 1;
  return now.getUTCFullYear() * 12 + now.getUTCMonth() > month;
}
