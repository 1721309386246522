import { ByteReader } from './byte-reader.ts';
import { altered, cutShort, EnvelopeRefusal } from './refusal.ts';

/** More than any writer puts before, after, or in the head of an armoured message. */
const BYTES_AROUND_MAX = 64 * 1024;

const LINE_FEED = 0x0a;

/** What a byte is to base64 text. */
const IGNORED = 1;
const DIGIT = 2;
const kinds = new Uint8Array(256);
for (const space of ' \t\r\n') kinds[space.charCodeAt(0)] = IGNORED;
for (const digit of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
  kinds[digit.charCodeAt(0)] = DIGIT;

/** The bytes of the message, out of its ASCII armour if it wears one. */
export async function withoutArmor(source: ByteReader): Promise<ByteReader> {
  if (await source.atEnd()) throw new EnvelopeRefusal('not_openpgp', 'The file is empty.');
  await skipByteOrderMark(source);
  if ((await source.fill(1)) && source.peek(0) >= 0x80) return source;
  await skipHead(source);
  return new ByteReader(dearmored(source));
}

async function skipByteOrderMark(source: ByteReader): Promise<void> {
  if (!(await source.fill(3))) return;
  if (source.peek(0) === 0xef && source.peek(1) === 0xbb && source.peek(2) === 0xbf) source.take(3);
}

/** Leaves the reader at the first line of base64. */
async function skipHead(source: ByteReader): Promise<void> {
  let line = '';
  let bytes = 0;
  while (line.trim() === '') {
    const next = await readLine(source);
    if (next === null || (bytes += next.length) > BYTES_AROUND_MAX) throw notOpenpgp();
    line = next.toString('latin1');
  }
  const kind = /^\s*-----BEGIN PGP ([A-Z0-9 ,/]+)-----\s*$/.exec(line)?.[1];
  if (kind === undefined) throw notOpenpgp();
  if (kind === 'SIGNED MESSAGE')
    throw new EnvelopeRefusal(
      'no_decryption_key',
      'The message is signed but not encrypted. Encrypt it to the public key of this cell.',
    );
  if (kind !== 'MESSAGE')
    throw new EnvelopeRefusal(
      'not_openpgp',
      `The file is armoured as "PGP ${kind}". Send the portfolio as an armoured "PGP MESSAGE" or as a binary one.`,
    );
  for (bytes = 0; bytes <= BYTES_AROUND_MAX;) {
    const next = await readLine(source);
    if (next === null) throw cutShort();
    bytes += next.length;
    const text = next.toString('latin1');
    if (text.trim() === '') return;
    // Some writers leave out the empty line when there are no headers.
    if (!text.includes(':')) return source.unread(next);
  }
  throw notOpenpgp();
}

/** The next line with its line feed; null at the end, or when no line is that long. */
async function readLine(source: ByteReader): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  while (bytes <= BYTES_AROUND_MAX) {
    const piece = await source.next(Infinity);
    if (piece === null) return bytes > 0 ? Buffer.concat(pieces) : null;
    const end = piece.indexOf(LINE_FEED);
    if (end !== -1) {
      source.unread(piece.subarray(end + 1));
      return Buffer.concat([...pieces, piece.subarray(0, end + 1)]);
    }
    pieces.push(piece);
    bytes += piece.length;
  }
  return null;
}

function notOpenpgp(): EnvelopeRefusal {
  return new EnvelopeRefusal(
    'not_openpgp',
    'The file is not an OpenPGP message. Sign it, encrypt it to the public key of this cell, and send the result.',
  );
}

const DECODE_BYTES = 64 * 1024;

/**
 * Decodes base64 up to the end line. Node decodes base64 fast but knows no streams and skips foreign characters
 * silently, so line ends are taken out here and whole groups of four are handed over.
 */
async function* dearmored(source: ByteReader): AsyncGenerator<Buffer> {
  const digits = Buffer.allocUnsafe(DECODE_BYTES + 4);
  let kept = 0; // digits of an unfinished group
  for (;;) {
    const text = await source.next(DECODE_BYTES);
    if (text === null) throw cutShort();
    let count = kept;
    let at = 0;
    while (at < text.length) {
      const byte = text[at];
      const kind = kinds[byte];
      if (kind === DIGIT) digits[count++] = byte;
      else if (kind !== IGNORED) break;
      at++;
    }
    const ended = at < text.length;
    if (ended) source.unread(text.subarray(at));
    const whole = ended ? count : count - (count % 4);
    if (whole > 0) yield Buffer.from(digits.toString('latin1', 0, whole), 'base64');
    if (ended) break;
    digits.copyWithin(0, whole, count);
    kept = count - whole;
  }
  await readTail(source);
}

/**
 * After the data: padding, a checksum, the end line, blank space. The checksum is not looked at: RFC 9580 (6.1)
 * forbids refusing a message for it, and the integrity check inside sees more than it does.
 */
async function readTail(source: ByteReader): Promise<void> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source.rest()) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > BYTES_AROUND_MAX) throw altered('Much text follows the end of the armoured message.');
  }
  const tail = Buffer.concat(pieces).toString('latin1');
  const complete = /^(={1,2}(?![\w+/=]))?\s*(=[\w+/]{4})?\s*-----END PGP MESSAGE-----\s*$/;
  if (complete.test(tail)) return;
  if (/^[-=\s]/.test(tail) && !tail.includes('-----END PGP MESSAGE-----')) throw cutShort();
  throw altered('The ASCII armour holds characters that do not belong there, or text follows its end line.');
}

const LINE_BYTES = 48; // 64 characters

/**
 * Dresses a message in ASCII armour. RFC 9580 no longer wants the checksum, but GnuPG 2.2 cannot do without: it
 * reads on into the end line when the data end on a whole group.
 */
export async function* armored(message: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  yield Buffer.from('-----BEGIN PGP MESSAGE-----\n\n');
  const reader = new ByteReader(message);
  const piece = LINE_BYTES * 1024;
  let checksum = 0xb704ce;
  for (;;) {
    const more = await reader.fill(piece);
    const count = more ? piece : reader.buffered;
    if (count === 0) break;
    const bytes = reader.take(count);
    for (const byte of bytes)
      checksum = ((checksum << 8) ^ checksumTable[(checksum >>> 16) ^ byte]) & 0xffffff;
    yield Buffer.from(bytes.toString('base64').replace(/.{1,64}/g, '$&\n'), 'latin1');
  }
  const end = Buffer.from([checksum >>> 16, checksum >>> 8, checksum]).toString('base64');
  yield Buffer.from(`=${end}\n-----END PGP MESSAGE-----\n`);
}

/** CRC-24 (RFC 9580, 6.1.1). */
const checksumTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let checksum = byte << 16;
  for (let bit = 0; bit < 8; bit++)
    checksum = (checksum << 1) ^ ((checksum & 0x800000) !== 0 ? 0x1864cfb : 0);
  return checksum & 0xffffff;
});
