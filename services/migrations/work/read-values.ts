import { readDate, readInstant } from '../portfolio/read-time.ts';
import type { Fields } from '../portfolio/split-line.ts';

const DAY_MS = 86_400_000;

/** Days since 1970-01-01 of a date that has passed its check. */
export function dayOf({ source, start }: Fields, field: number): number {
  return dayNumber(readDate(source, start[field]));
}

/** UTC milliseconds of a time that has passed its check. */
export function instantOf({ source, start, end }: Fields, field: number): number {
  const time = readInstant(source, start[field], end[field]);
  const seconds = time % 100;
  const minutes = Math.floor(time / 100) % 100;
  const hours = Math.floor(time / 10_000) % 100;
  return dayNumber(Math.floor(time / 1_000_000)) * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

/**
 * Days from the civil calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"): counts years
 * from March, so that the leap day comes last. `Date.UTC` would take the years 1 to 99 for 1901 to 1999.
 */
function dayNumber(yyyymmdd: number): number {
  const day = yyyymmdd % 100;
  const month = Math.floor(yyyymmdd / 100) % 100;
  const year = Math.floor(yyyymmdd / 10_000) - (month <= 2 ? 1 : 0);
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
