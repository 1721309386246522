import { codes, code as ofAlpha } from 'currency-codes';

/** Messages name currencies by number (field 49), portfolio files by letters. */
const letters = new Map<string, string>();
for (const alpha of codes()) {
  const found = ofAlpha(alpha);
  if (found) letters.set(found.number, alpha);
}

export const currencyLetters = (number: string | undefined): string | undefined =>
  number === undefined ? undefined : letters.get(number);

export const currencyNumber = (alpha: string): string => ofAlpha(alpha)?.number ?? '999';
