/** Digits in a row, or in groups as card numbers are printed. */
const RUN = /\d(?:[ -]?\d){11,}/g;
const DIGITS_MIN = 12;
const DIGITS_MAX = 19;

/**
 * Whether 12 to 19 digits in a row, or a part of a longer row, have the check digit of a card number (Luhn). No card
 * number begins with 0, so amounts filled with zeros are not taken for one.
 */
export function mayHoldCardNumber(value: string): boolean {
  if (digitsIn(value) < DIGITS_MIN) return false; // as most names and places
  for (const [run] of value.matchAll(RUN)) {
    const digits = run.replaceAll(/[ -]/g, '');
    for (let from = 0; from + DIGITS_MIN <= digits.length; from++) {
      if (digits[from] === '0') continue;
      const end = Math.min(digits.length, from + DIGITS_MAX);
      for (let to = from + DIGITS_MIN; to <= end; to++) if (hasCheckDigit(digits, from, to)) return true;
    }
  }
  return false;
}

function digitsIn(value: string): number {
  let digits = 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) digits++;
  }
  return digits;
}

/** Whether the last of these digits is the check digit of those before it (Luhn). */
export function hasCheckDigit(digits: string, from = 0, to = digits.length): boolean {
  let sum = 0;
  for (let i = to - 1, isDoubled = false; i >= from; i--, isDoubled = !isDoubled) {
    const digit = digits.charCodeAt(i) - 0x30;
    sum += !isDoubled ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return sum % 10 === 0;
}
