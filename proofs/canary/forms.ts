import type { Canary } from './canaries.ts';

/** One way in which a value may lie somewhere, as the bytes that are searched for. */
export interface Form {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every form of a canary that is searched for. Each is at least 8 bytes, so no find is by chance. */
export function formsOf({ kind, value }: Canary): Form[] {
  const texts = kind === 'pan' ? [value] : [...new Set([value, value.toLowerCase()])];
  const forms = texts.flatMap((text) => [
    form('plain', text),
    form('reversed', [...text].reverse().join('')),
    ...[' ', '-'].map((separator) =>
      form(
        separator === ' ' ? 'groups of four with spaces' : 'groups of four with dashes',
        grouped(text, separator),
      ),
    ),
    form('ASCII in lower-case hex', hex(text)),
    form('ASCII in upper-case hex', hex(text).toUpperCase()),
    { name: 'UTF-16 little endian', bytes: Buffer.from(text, 'utf16le') },
    { name: 'UTF-16 big endian', bytes: Buffer.from(text, 'utf16le').swap16() },
    ...aligned(Buffer.from(text)).map((part, i) => form(`base64, alignment ${i}`, part)),
    ...aligned(Buffer.from(text)).map((part, i) =>
      form(`base64url, alignment ${i}`, part.replaceAll('+', '-').replaceAll('/', '_')),
    ),
  ]);
  // Packed two digits to a byte, whichever nibble the first digit lies in and however an odd one is filled up.
  for (const from of [0, 1]) {
    const even = value.slice(from, from + 2 * Math.floor((value.length - from) / 2));
    forms.push({ name: `packed digits, nibble ${from}`, bytes: Buffer.from(even, 'hex') });
  }
  if (kind === 'pan' && value.length <= 18) {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(value));
    forms.push({ name: '64-bit integer, big endian', bytes: Buffer.from(number) });
    forms.push({ name: '64-bit integer, little endian', bytes: Buffer.from(number).swap64() });
  }
  const known = new Set<string>();
  return forms.filter(({ bytes }) => {
    const key = bytes.toString('latin1');
    if (bytes.length < FORM_BYTES_MIN || known.has(key)) return false;
    known.add(key);
    return true;
  });
}

/** Shorter forms (a PIN value of 12 digits, packed, is 6 bytes) would be found by chance now and then. */
export const FORM_BYTES_MIN = 7;

const form = (name: string, text: string): Form => ({ name, bytes: Buffer.from(text, 'latin1') });
const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const grouped = (text: string, separator: string) => text.match(/.{1,4}/g)!.join(separator);

/** The characters of base64 that the value alone decides, for each place within three bytes it may begin at. */
function aligned(value: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), value])
      .toString('base64')
      .replaceAll('=', '');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + value.length) * 8) / 6);
    return text.slice(first, last);
  });
}
