import { codes as currencyCodes } from 'currency-codes';
import countryCodes from 'i18n-iso-countries/codes.json' with { type: 'json' };

/**
 * ISO 4217 also gives codes to metals, drawing rights, tests and "no currency", and marks their minor unit as
 * not applicable. An amount in minor units cannot be in one of them.
 */
const WITHOUT_MINOR_UNIT = 'XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' ');

/** ISO 4217, alphabetically: the place of a currency in this list is its number everywhere in this folder. */
export const currencies: readonly string[] = [...new Set(currencyCodes())]
  .filter((code) => !WITHOUT_MINOR_UNIT.includes(code))
  .sort();

/** ISO 3166-1 alpha-2. Kosovo's XK is in common use but a user-assigned code, not one of the standard's. */
export const countries: readonly string[] = countryCodes
  .map(([alpha2]) => alpha2)
  .filter((code) => code !== 'XK')
  .sort();

const A = 0x41;
const LETTERS = 26;

const currencyNumbers = new Int16Array(LETTERS ** 3).fill(-1);
currencies.forEach((code, number) => (currencyNumbers[letters(Buffer.from(code), 0, 3)] = number));

const knownCountries = new Uint8Array(LETTERS ** 2);
for (const code of countries) knownCountries[letters(Buffer.from(code), 0, 2)] = 1;

/** The currency's place in `currencies`, or -1 when the bytes are no alphabetic code. */
export function currencyNumber(source: Buffer, start: number, end: number): number {
  if (end - start !== 3) return -1;
  const at = letters(source, start, 3);
  return at < 0 ? -1 : currencyNumbers[at];
}

export function isCountry(source: Buffer, start: number, end: number): boolean {
  if (end - start !== 2) return false;
  const at = letters(source, start, 2);
  return at >= 0 && knownCountries[at] === 1;
}

/** Capital letters read as a number in base 26, or -1 when one of them is none. */
function letters(source: Buffer, start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const letter = source[i] - A;
    if (letter < 0 || letter >= LETTERS) return -1;
    value = value * LETTERS + letter;
  }
  return value;
}
