import { data as currencyRecords } from 'currency-codes';
import countryRecords from 'i18n-iso-countries/codes.json' with { type: 'json' };

/** Metals, drawing rights, tests and "no currency" have no minor unit: no amount can be in them. */
const WITHOUT_MINOR_UNIT = 'XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' ');

/** Messages carry numbers, people write letters: both forms lead to the alphabetic code. */
const currencies = new Map<string, string>();
for (const { code, number } of currencyRecords)
  if (!WITHOUT_MINOR_UNIT.includes(code)) currencies.set(code, code).set(number, code);

const countries = new Map<string, string>();
for (const [alpha2, , number] of countryRecords) countries.set(alpha2, alpha2).set(number, alpha2);

/** ISO 4217: `604` and `PEN` are PEN. */
export const currencyOf = (code: string): string | undefined => currencies.get(code);

/** ISO 3166-1, as two letters: `604` and `PE` are PE. */
export const countryOf = (code: string): string | undefined => countries.get(code);
