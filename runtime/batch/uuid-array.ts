import { ColumnBuffer } from './column-buffer.ts';

/**
 * A parameter for `= any(…::uuid[])`. A column that is handed in lends its memory until it is used again: within a
 * transaction, where a parameter is copied when its statement is sent.
 */
export function uuidArray(texts: Iterable<string>, column = new ColumnBuffer('uuid')): Buffer {
  column.clear();
  for (const text of texts) column.uuid(text);
  return column.array();
}
