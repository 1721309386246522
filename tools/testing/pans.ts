import { createHash } from 'node:crypto';

export const BIN = '45091700';
export const BIN_RANGES = '45091700;510510';

/** The check digit that makes a card number well formed. */
export function withCheckDigit(body: string): string {
  const sum = [...body].reverse().reduce((total, digit, place) => {
    const weighted = Number(digit) * (place % 2 === 0 ? 2 : 1);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return body + String((10 - (sum % 10)) % 10);
}

/** The test card number of a name: the same name, the same number. */
export function panOf(name: string): string {
  const number = createHash('sha256').update(name).digest().readUInt32BE(0) % 10_000_000;
  return withCheckDigit(BIN + String(number).padStart(7, '0'));
}
