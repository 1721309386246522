import { acquirerOf, purchaseKey } from './classes.ts';

/** The request that a reversal takes back, as field 90 and the reversal's own field 37 name it. */
export interface Original {
  readonly mti: string;
  readonly stan: string;
  readonly field7: string;
  readonly acquirer: string;
}

/** Field 90: MTI, STAN, field 7 of the original, its acquirer and forwarder with eleven digits each. */
export const toField90 = ({ mti, stan, field7, acquirer }: Original): string =>
  `${mti}${stan}${field7}${acquirer.padStart(11, '0')}${'0'.repeat(11)}`;

/** Null for anything that is no field 90. */
export function fromField90(text: string | undefined): Original | null {
  if (!text || !/^\d{42}$/.test(text)) return null;
  return {
    mti: text.slice(0, 4),
    stan: text.slice(4, 10),
    field7: text.slice(10, 20),
    acquirer: acquirerOf(text.slice(20, 31)),
  };
}

/** The key of the original. Some leave its acquirer out; it is that of the reversal then. */
export const originalKey = (original: Original, reversalAcquirer: string | undefined, rrn: string): string =>
  purchaseKey(original.field7, original.stan, original.acquirer || reversalAcquirer, rrn);

/** Field 95 of a partial reversal: what remains of the amount, then amounts that nobody here uses. */
export const toField95 = (remainingMinor: number): string =>
  `${String(remainingMinor).padStart(12, '0')}${'0'.repeat(30)}`;

/** What a reversal leaves standing: nothing without a field 95. NaN for one that is not understood. */
export const fromField95 = (text: string | undefined): number =>
  text === undefined ? 0 : /^\d{12}/.test(text) ? Number(text.slice(0, 12)) : NaN;
