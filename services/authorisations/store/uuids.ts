import { ColumnBuffer } from '#runtime/batch/column-buffer.ts';

const bytes = new Uint8Array(16);

/** What each ASCII code is worth as a hexadecimal digit. */
const VALUES = new Uint8Array(128);
for (const digit of '0123456789abcdef') VALUES[digit.charCodeAt(0)] = Number.parseInt(digit, 16);

/** Adds a uuid that is at hand as text, as PostgreSQL and `idText` write it: lower case, with hyphens. */
export function addUuid(column: ColumnBuffer, text: string): void {
  let at = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) at++;
    bytes[i] = (VALUES[text.charCodeAt(at)] << 4) | VALUES[text.charCodeAt(at + 1)];
    at += 2;
  }
  column.slice(bytes);
}

export function addUuidOrNull(column: ColumnBuffer, text: string | null | undefined): void {
  if (text) addUuid(column, text);
  else column.null();
}

/**
 * A parameter for `= any(…::uuid[])`. A column that is handed in lends its memory until it is used again: within a
 * transaction, where a parameter is copied when its statement is sent.
 */
export function uuidArray(texts: Iterable<string>, column = new ColumnBuffer('uuid')): Buffer {
  column.clear();
  for (const text of texts) addUuid(column, text);
  return column.array();
}
