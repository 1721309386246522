import { code as currencyRecordOf } from 'currency-codes';
import { countryOf, currencyOf } from '../request/code-lists.ts';

/** A time in UTC to the second, `2026-11-20T12:00:00Z`. The pattern cannot tell that 30 February is none. */
export const isUtcSecond = (text: string): boolean => {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text.replace('Z', '.000Z');
};

/** What the schemas ask by `format`, beside their patterns. */
export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'utc-second': isUtcSecond,
  'local-second': (text) => isUtcSecond(`${text}Z`),
  currency: (text) => currencyOf(text) === text,
  country: (text) => countryOf(text) === text,
};

/** ISO 4217 in digits, as field 49 has it. */
export function currencyNumberOf(currency: string): string {
  const record = currencyRecordOf(currency);
  if (!record) throw new Error('a currency passed its schema that is none');
  return record.number;
}
