import type { AmountName, Controls, ListName, Lists } from './controls.ts';

/** What limits one card's spending, drawn together and ready to be asked; null where there is no limit. */
export type Limits = Readonly<Record<AmountName, number | null>> &
  Readonly<Record<ListName, readonly Permission[]>>;

/** One pair of lists. A message that names no category or country is on no list: `only` refuses it. */
export interface Permission {
  readonly only: Matcher | null;
  readonly blocked: Matcher | null;
}

type Matcher = (value: string) => boolean;

export const NO_LIMITS: Limits = {
  singleMinor: null,
  dailyMinor: null,
  dailyCount: null,
  monthlyMinor: null,
  monthlyCount: null,
  categories: [],
  countries: [],
};

/** Whether every pair of lists lets the value through. */
export function permits(permissions: readonly Permission[], value: string): boolean {
  for (const { only, blocked } of permissions)
    if ((only && !only(value)) || (blocked && blocked(value))) return false;
  return true;
}

export const limitsOf = (controls: Controls): Limits => ({
  singleMinor: controls.singleMinor ?? null,
  dailyMinor: controls.dailyMinor ?? null,
  dailyCount: controls.dailyCount ?? null,
  monthlyMinor: controls.monthlyMinor ?? null,
  monthlyCount: controls.monthlyCount ?? null,
  categories: permissionsOf(controls.categories, categoryMatcher),
  countries: permissionsOf(controls.countries, countryMatcher),
});

/** The strictest of both: the lower limit, and only what both lists allow. */
export function strictest(a: Limits, b: Limits): Limits {
  if (a === NO_LIMITS) return b;
  if (b === NO_LIMITS) return a;
  return {
    singleMinor: lower(a.singleMinor, b.singleMinor),
    dailyMinor: lower(a.dailyMinor, b.dailyMinor),
    dailyCount: lower(a.dailyCount, b.dailyCount),
    monthlyMinor: lower(a.monthlyMinor, b.monthlyMinor),
    monthlyCount: lower(a.monthlyCount, b.monthlyCount),
    categories: both(a.categories, b.categories),
    countries: both(a.countries, b.countries),
  };
}

/** The limits that came with the card in the portfolio. */
export function portfolioLimits(card: {
  dailyLimitMinor: number | null;
  monthlyLimitMinor: number | null;
}): Limits {
  const { dailyLimitMinor, monthlyLimitMinor } = card;
  if (dailyLimitMinor === null && monthlyLimitMinor === null) return NO_LIMITS;
  return { ...NO_LIMITS, dailyMinor: dailyLimitMinor, monthlyMinor: monthlyLimitMinor };
}

const lower = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

const both = (a: readonly Permission[], b: readonly Permission[]): readonly Permission[] =>
  a.length === 0 ? b : b.length === 0 ? a : [...a, ...b];

function permissionsOf(
  lists: Lists | undefined,
  matcherOf: (entries: readonly string[]) => Matcher,
): readonly Permission[] {
  if (!lists) return [];
  const matcher = (entries: readonly string[] | undefined) => (entries ? matcherOf(entries) : null);
  return [{ only: matcher(lists.only), blocked: matcher(lists.blocked) }];
}

function categoryMatcher(entries: readonly string[]): Matcher {
  const ranges = entries.map((entry) => {
    const [from, to = from] = entry.split('-');
    return [Number(from), Number(to)] as const;
  });
  return (mcc) => {
    if (mcc === '') return false;
    const category = Number(mcc);
    return ranges.some(([from, to]) => category >= from && category <= to);
  };
}

function countryMatcher(entries: readonly string[]): Matcher {
  const countries = new Set(entries);
  return (country) => countries.has(country);
}
