/**
 * Spend controls of one card or product, as people set them and the database keeps them. What is absent is not
 * limited. Amounts are minor units of the account's currency; days and months are those of UTC.
 */
export interface Controls {
  /** Of one transaction. */
  readonly singleMinor?: number;
  readonly dailyMinor?: number;
  readonly dailyCount?: number;
  readonly monthlyMinor?: number;
  readonly monthlyCount?: number;
  /** Merchant categories, `7995` or `5933-5937`. */
  readonly categories?: Lists;
  /** Countries of the merchant, ISO 3166-1 alpha-2. */
  readonly countries?: Lists;
}

/** A value is allowed when it is on `only`, where there is one, and not on `blocked`. */
export interface Lists {
  readonly only?: readonly string[];
  readonly blocked?: readonly string[];
}

export type AmountName = 'singleMinor' | 'dailyMinor' | 'dailyCount' | 'monthlyMinor' | 'monthlyCount';
export type ListName = 'categories' | 'countries';

/** Field 4 has twelve digits. */
const SINGLE_MAX = 999_999_999_999;
const COUNT_MAX = 1_000_000;

/** The largest value of each amount and count. */
export const amountsMax: Readonly<Record<AmountName, number>> = {
  singleMinor: SINGLE_MAX,
  dailyMinor: Number.MAX_SAFE_INTEGER,
  dailyCount: COUNT_MAX,
  monthlyMinor: Number.MAX_SAFE_INTEGER,
  monthlyCount: COUNT_MAX,
};

export const AMOUNT_NAMES = Object.keys(amountsMax) as AmountName[];
export const LIST_NAMES: readonly ListName[] = ['categories', 'countries'];

/** Whether nothing is limited. */
export const isEmpty = (controls: Controls): boolean => Object.keys(controls).length === 0;
