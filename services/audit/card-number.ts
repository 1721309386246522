import { hasCheckDigit } from '#runtime/iso8583/card-number.ts';

// Ids and hashes in hexadecimal hold runs of digits too. They are told by their letters and passed over.
const UUID = /(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])/gi;
const HASH = /(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{32,}(?![0-9a-z])/gi;
/** Digits as card numbers are written: together, or in groups of three and more. A date is not written so. */
const RUN = /\d{3,}(?:[ -]\d{3,})*/g;
const DIGITS_MIN = 12;
const DIGITS_MAX = 19;

/**
 * Whether a text may hold a card number: 12 to 19 digits whose check digit (Luhn) is right. One number in ten passes
 * that by chance, so entries name things by our own ids and never by long numbers of somebody else's. More digits
 * in one piece could hide a card number anywhere and count as one.
 */
export function mayHoldCardNumber(text: string): boolean {
  const rest = text.replaceAll(UUID, '#').replaceAll(HASH, '#');
  return [...rest.matchAll(RUN)].some(([run]) => holdsOne(run.split(/[ -]/)));
}

/** Some groups in a row may be the card number, and those around them something else. */
function holdsOne(groups: readonly string[]): boolean {
  for (let from = 0; from < groups.length; from++) {
    if (groups[from].length > DIGITS_MAX) return true;
    let digits = '';
    for (let to = from; to < groups.length; to++) {
      digits += groups[to];
      if (digits.length > DIGITS_MAX) break;
      if (digits.length >= DIGITS_MIN && hasCheckDigit(digits)) return true;
    }
  }
  return false;
}
