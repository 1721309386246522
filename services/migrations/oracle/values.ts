import countries from 'i18n-iso-countries';
import { data as currencies } from 'currency-codes';

/** The rules a single value can follow. Each is written as the contract words it, not for speed. */
export type Rule = (value: string) => boolean;

export const WHOLE_MAX = 2n ** 53n - 1n;

export const matches =
  (pattern: RegExp): Rule =>
  (value) =>
    pattern.test(value);

export const oneOf =
  (...values: string[]): Rule =>
  (value) =>
    values.includes(value);

export const orEmpty =
  (rule: Rule): Rule =>
  (value) =>
    value === '' || rule(value);

/** Free text: lengths are code points, and no character may end a line or a C string. */
export const text =
  (min: number, max: number): Rule =>
  (value) => {
    const length = [...value].length;
    return length >= min && length <= max && !/[\0\r\n]/.test(value);
  };

export const wholeFrom =
  (min: bigint): Rule =>
  (value) =>
    /^[0-9]+$/.test(value) && BigInt(value) >= min && BigInt(value) <= WHOLE_MAX;

export const signedWhole: Rule = (value) => /^-?[0-9]+$/.test(value) && wholeFrom(0n)(value.replace('-', ''));

export const externalId = matches(/^[A-Za-z0-9._-]{1,64}$/);
export const shortName = matches(/^[A-Za-z0-9._-]{1,32}$/);
export const yearMonth = matches(/^[0-9]{2}(0[1-9]|1[0-2])$/);

/** There was no year 0, and February has the days of its year. */
export const realDate: Rule = (value) => {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value) || value.startsWith('0000')) return false;
  const date = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
};

export const realTime: Rule = (value) =>
  /^[^T]{10}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/.test(value) && realDate(value.slice(0, 10));

export const pan: Rule = (value) => {
  if (!/^[0-9]{13,19}$/.test(value)) return false;
  const sum = [...value].reverse().reduce((total, digit, place) => {
    const weighted = Number(digit) * (place % 2 === 0 ? 1 : 2);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return sum % 10 === 0;
};

export const email: Rule = (value) => {
  const sides = value.split('@');
  return (
    sides.length === 2 &&
    sides[0] !== '' &&
    sides[1].includes('.') &&
    !value.includes(' ') &&
    text(3, 254)(value)
  );
};

// ISO 4217 lists these with no minor unit (metals, funds, testing, "no currency"), so no amount in minor
// units can be one of them; the package gives them 0 digits like the yen.
const WITHOUT_MINOR_UNIT = 'XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' ');
const currencyCodes = currencies.map(({ code }) => code).filter((code) => !WITHOUT_MINOR_UNIT.includes(code));
export const currency = oneOf(...currencyCodes);

// XK (Kosovo) is in wide use but is not assigned by ISO 3166-1.
export const country = oneOf(...Object.keys(countries.getAlpha2Codes()).filter((code) => code !== 'XK'));
