const ZERO = 0x30;
const DASH = 0x2d;
const COLON = 0x3a;

const daysInMonth = Uint8Array.from([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);

/** The date `YYYY-MM-DD` as the number yyyymmdd, or 0 when it is none. The calendar has no year 0000. */
export function readDate(source: Buffer, start: number): number {
  if (source[start + 4] !== DASH || source[start + 7] !== DASH) return 0;
  const year = twoDigits(source, start) * 100 + twoDigits(source, start + 2);
  const month = twoDigits(source, start + 5);
  const day = twoDigits(source, start + 8);
  // What is no digit makes any of them NaN, and no comparison holds for NaN.
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return 0;
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= daysInMonth[month] + (leap ? 1 : 0) ? year * 10_000 + month * 100 + day : 0;
}

/** The time `YYYY-MM-DDThh:mm:ssZ` as the number yyyymmddhhmmss, or 0 when it is none. */
export function readInstant(source: Buffer, start: number, end: number): number {
  if (end - start !== 20 || source[start + 10] !== 0x54 || source[start + 19] !== 0x5a) return 0;
  if (source[start + 13] !== COLON || source[start + 16] !== COLON) return 0;
  const date = readDate(source, start);
  const hours = twoDigits(source, start + 11);
  const minutes = twoDigits(source, start + 14);
  const seconds = twoDigits(source, start + 17);
  if (!(date > 0 && hours <= 23 && minutes <= 59 && seconds <= 59)) return 0;
  return date * 1_000_000 + hours * 10_000 + minutes * 100 + seconds;
}

/** A date handed in by a caller, `YYYY-MM-DD`. */
export function parseDate(text: string): number {
  const date = text.length === 10 ? readDate(Buffer.from(text), 0) : 0;
  if (date === 0) throw new Error(`not a date: ${text}`);
  return date;
}

function twoDigits(source: Buffer, at: number): number {
  const tens = source[at] - ZERO;
  const ones = source[at + 1] - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}
