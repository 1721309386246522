export const UUID_BYTES = 16;
const HYPHEN = 0x2d;

/** What each ASCII code is worth as a hexadecimal digit. */
const VALUES = new Uint8Array(128);
for (const digit of '0123456789abcdefABCDEF') VALUES[digit.charCodeAt(0)] = Number.parseInt(digit, 16);

/**
 * Puts the bytes of a uuid at `at`, given as its text with hyphens, which nobody checks here. A hundred a millisecond are
 * put for messages: a text without hyphens for each would be garbage.
 */
export function putUuid(to: Uint8Array, at: number, text: string): void {
  const end = at + UUID_BYTES;
  for (let i = 0; at < end; i += 2) {
    if (text.charCodeAt(i) === HYPHEN) i++;
    to[at++] = (VALUES[text.charCodeAt(i)] << 4) | VALUES[text.charCodeAt(i + 1)];
  }
}

export function uuidBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(UUID_BYTES);
  putUuid(bytes, 0, text);
  return bytes;
}
