/**
 * What a card has spent in the UTC day and month in which it was last used: approved debits, in minor units of its
 * account's currency. Windows go by the database's clock, for a sender's may be wrong by months and a process's may
 * jump.
 */
export interface Usage {
  /** Days since 1970-01-01. */
  readonly day: number;
  readonly dayCount: number;
  readonly dayMinor: number;
  /** Months since January of the year 0. */
  readonly month: number;
  readonly monthCount: number;
  readonly monthMinor: number;
}

const DAY_MS = 24 * 3600 * 1000;

export const dayOf = (time: Date): number => Math.floor(time.getTime() / DAY_MS);
export const monthOf = (time: Date): number => time.getUTCFullYear() * 12 + time.getUTCMonth();

/** Of a card that was never used. */
export const NO_USAGE: Usage = { day: 0, dayCount: 0, dayMinor: 0, month: 0, monthCount: 0, monthMinor: 0 };

/**
 * The usage as it stands at `now`: a window that is over counts from zero. A clock may be set back, or be that of
 * another server that takes over and differs a little; neither may open the window before again, or around midnight
 * limits could be spent twice. A window further ahead than the next one was opened by a clock gone wrong and counts as
 * over.
 */
export function usageAt(usage: Usage, now: Date): Usage {
  const day = dayOf(now);
  const month = monthOf(now);
  const inDay = lasts(usage.day, day);
  const inMonth = lasts(usage.month, month);
  if (inDay && inMonth) return usage;
  return {
    day: inDay ? usage.day : day,
    dayCount: inDay ? usage.dayCount : 0,
    dayMinor: inDay ? usage.dayMinor : 0,
    month: inMonth ? usage.month : month,
    monthCount: inMonth ? usage.monthCount : 0,
    monthMinor: inMonth ? usage.monthMinor : 0,
  };
}

const lasts = (window: number, current: number): boolean => window === current || window === current + 1;

/** After an approved debit. */
export function usageAfter(usage: Usage, { amountMinor }: { amountMinor: number }, now: Date): Usage {
  const at = usageAt(usage, now);
  return {
    ...at,
    dayCount: at.dayCount + 1,
    dayMinor: sum(at.dayMinor, amountMinor),
    monthCount: at.monthCount + 1,
    monthMinor: sum(at.monthMinor, amountMinor),
  };
}

export interface GivenBack {
  /** How much of the approval is taken back. */
  readonly amountMinor: number;
  /** Whether nothing of it stays: then it counts no longer. */
  readonly whole: boolean;
  /** When it was approved: only the windows of that time get it back. */
  readonly approvedAt: Date;
}

/** After the reversal of an approval. */
export function usageAfterReversal(
  usage: Usage,
  { amountMinor, whole, approvedAt }: GivenBack,
  now: Date,
): Usage {
  const at = usageAt(usage, now);
  const inDay = dayOf(approvedAt) === at.day;
  const inMonth = monthOf(approvedAt) === at.month;
  const less = (value: number, by: number) => Math.max(0, value - by);
  const times = whole ? 1 : 0;
  return {
    day: at.day,
    dayCount: inDay ? less(at.dayCount, times) : at.dayCount,
    dayMinor: inDay ? less(at.dayMinor, amountMinor) : at.dayMinor,
    month: at.month,
    monthCount: inMonth ? less(at.monthCount, times) : at.monthCount,
    monthMinor: inMonth ? less(at.monthMinor, amountMinor) : at.monthMinor,
  };
}

/** Advices enter whatever they say, so a sum has to end somewhere before it loses its last digits. */
const sum = (a: number, b: number): number => Math.min(a + b, Number.MAX_SAFE_INTEGER);
