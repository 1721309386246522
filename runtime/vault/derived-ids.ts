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

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function idText(codes: Buffer, at: number): string {
  let text = '';
  for (let i = 0; i < ID_BYTES; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += HEX[codes[at + i]];
  }
  return text;
}
