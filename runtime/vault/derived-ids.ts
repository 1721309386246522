const ID_BYTES = 16;

/**
 * Turns 128-bit codes into version 8 UUIDs in place (RFC 9562, 5.8). Our ids are keyed codes of the external
 * ids: the same card has the same id in every run, nobody outside the cell can compute or link it, and the
 * primary key finds a card by its external id without a second index.
 */
export function markAsIds(codes: Buffer): Buffer {
  for (let at = 0; at < codes.length; at += ID_BYTES) {
    codes[at + 6] = (codes[at + 6] & 0x0f) | 0x80;
    codes[at + 8] = (codes[at + 8] & 0x3f) | 0x80;
  }
  return codes;
}

const TEXT_LENGTH = 36;
/** The two digits of each byte, as ASCII codes one after the other. */
const DIGITS = Buffer.from(
  Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join(''),
);
const text = Buffer.alloc(TEXT_LENGTH, '-');

/** Written as bytes first: a text put together piece by piece costs several times as much, again when it is used. */
export function idText(codes: Buffer, at: number): string {
  let to = 0;
  for (let i = 0; i < ID_BYTES; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) to++;
    const digits = codes[at + i] * 2;
    text[to++] = DIGITS[digits];
    text[to++] = DIGITS[digits + 1];
  }
  return text.toString('latin1');
}
