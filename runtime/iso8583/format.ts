/**
 * How a field stands on the wire.
 *  - `digits`, `characters`: exactly `length` of them
 *  - `amount`: C or D and digits, `length` characters together
 *  - `bytes`: `length` bytes as hexadecimal, two characters each
 *  - `digits2`, `track2`, `characters2`: up to `length`, after two digits that count them
 *  - `characters3`: likewise, after three digits
 */
export type FieldKind =
  'digits' | 'characters' | 'amount' | 'bytes' | 'digits2' | 'track2' | 'characters2' | 'characters3';

export interface FieldFormat {
  readonly kind: FieldKind;
  readonly length: number;
  readonly name: string;
}

/** The fields of a message format by number, from 2 to 128. */
export type Format = readonly (FieldFormat | undefined)[];

/** Digits of the length that stands before a field; 0 where the length is fixed. */
export const PREFIX_DIGITS: Readonly<Record<FieldKind, number>> = {
  digits: 0,
  characters: 0,
  amount: 0,
  bytes: 0,
  digits2: 2,
  track2: 2,
  characters2: 2,
  characters3: 3,
};

/** Characters on the wire of a value of full length. */
export const wireLength = ({ kind, length }: FieldFormat): number => (kind === 'bytes' ? length * 2 : length);

/** What is wrong with a value of the right length; null when nothing is. */
export function contentFault(kind: FieldKind, value: string): string | null {
  switch (kind) {
    case 'digits':
    case 'digits2':
      return areDigits(value, 0) ? null : 'must be digits';
    case 'amount':
      return isSign(value.charCodeAt(0)) && areDigits(value, 1) ? null : 'must be C or D and digits';
    case 'bytes':
      return isHex(value) ? null : 'must be hexadecimal';
    case 'track2':
      return isTrack2(value) ? null : 'must be digits and one separator';
    default:
      return null;
  }
}

function areDigits(value: string, from: number): boolean {
  for (let i = from; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

const isSign = (code: number): boolean => code === 0x43 || code === 0x44;
const isHex = (value: string): boolean => /^[0-9A-Fa-f]*$/.test(value);
/** `=` or `D` parts the card number from the rest; a filling `F` may stand at the end. */
const isTrack2 = (value: string): boolean => /^\d*[=D]?\d*F?$/.test(value);
