import { readWhole } from './field-checks.ts';
import type { Fields } from './split-line.ts';

/** The whole number of a field that has passed its check; always a safe integer. */
export function int(fields: Fields, i: number): number {
  return readWhole(fields.source, fields.start[i], fields.end[i]);
}
