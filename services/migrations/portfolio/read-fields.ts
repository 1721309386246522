import { readWhole } from './field-checks.ts';
import type { Fields } from './split-line.ts';

/** Values of fields that have passed their checks. */

export function int(fields: Fields, i: number): number {
  return readWhole(fields.source, fields.start[i], fields.end[i]);
}

export function optionalInt(fields: Fields, i: number): number | null {
  return fields.isEmpty(i) ? null : int(fields, i);
}

export function minor(fields: Fields, i: number): bigint {
  return BigInt(int(fields, i));
}

export function optionalText(fields: Fields, i: number): string | null {
  return fields.isEmpty(i) ? null : fields.text(i);
}
