/** The words in which `records.ts` states the contract. A rule is plain data: checks, samples and docs read it. */

export const WHOLE_MAX = Number.MAX_SAFE_INTEGER;

/** A character set in the contract's own notation: ranges and single characters, separated by spaces. */
export type CharacterSet = string;

export type Rule =
  /** The first field. */
  | { kind: 'type'; type: string }
  | { kind: 'characters'; set: CharacterSet; min: number; max: number; optional: boolean }
  /** Any characters but line breaks and NUL; lengths in code points. */
  | { kind: 'text'; min: number; max: number; optional: boolean }
  | { kind: 'one_of'; values: readonly string[]; optional: boolean }
  | { kind: 'whole'; min: number; max: number; optional: boolean }
  | { kind: 'currency' }
  | { kind: 'country' }
  /** `YYMM`. */
  | { kind: 'month' }
  | { kind: 'date'; notAfterToday: boolean }
  | { kind: 'instant'; laterThan: string | null }
  | { kind: 'pan' }
  | { kind: 'email' }
  | { kind: 'phone' }
  /** Its shape follows the PIN format that the field `format` names. */
  | { kind: 'pin_value'; format: string }
  /** As `characters`, and empty exactly when another field is empty. */
  | { kind: 'characters_with'; set: CharacterSet; min: number; max: number; field: string }
  /** Whole number from 0, and 0 unless `field` holds `value`. */
  | { kind: 'whole_only_for'; field: string; value: string }
  | { kind: 'bin_ranges' }
  /** 0 when `field` holds `value`, otherwise a whole number from 1. */
  | { kind: 'sequence'; field: string; value: string }
  | { kind: 'totals' };

export interface PinShape {
  readonly format: string;
  readonly set: CharacterSet;
  readonly min: number;
  readonly max: number;
}

export const pinShapes: readonly PinShape[] = [
  { format: 'iso0', set: '0-9 A-F a-f', min: 16, max: 16 },
  { format: 'iso4', set: '0-9 A-F a-f', min: 32, max: 32 },
  { format: 'ibm3624', set: '0-9', min: 4, max: 12 },
];

export const IDENTIFIER: CharacterSet = 'A-Z a-z 0-9 . _ -';
export const DIGITS: CharacterSet = '0-9';

export const type = (name: string): Rule => ({ kind: 'type', type: name });
export const characters = (set: CharacterSet, min: number, max = min): Rule => ({
  kind: 'characters',
  set,
  min,
  max,
  optional: false,
});
export const identifier = (max: number): Rule => characters(IDENTIFIER, 1, max);
export const digits = (count: number): Rule => characters(DIGITS, count);
export const text = (min: number, max: number): Rule => ({ kind: 'text', min, max, optional: false });
export const oneOf = (...values: string[]): Rule => ({ kind: 'one_of', values, optional: false });
export const whole = (min: number, max = WHOLE_MAX): Rule => ({ kind: 'whole', min, max, optional: false });
export const currency: Rule = { kind: 'currency' };
export const country: Rule = { kind: 'country' };
export const month: Rule = { kind: 'month' };
export const date: Rule = { kind: 'date', notAfterToday: false };
export const pastDate: Rule = { kind: 'date', notAfterToday: true };
export const instant: Rule = { kind: 'instant', laterThan: null };
export const instantAfter = (field: string): Rule => ({ kind: 'instant', laterThan: field });
export const pan: Rule = { kind: 'pan' };
export const email: Rule = { kind: 'email' };
export const phone: Rule = { kind: 'phone' };
export const binRanges: Rule = { kind: 'bin_ranges' };
export const totals: Rule = { kind: 'totals' };

type WithOptional = Extract<Rule, { optional: boolean }>;

export function orEmpty(rule: Rule): Rule {
  return { ...(rule as WithOptional), optional: true };
}

/** What the field must be, as a detail or a document says it after the field's name. Never a value. */
export function sentence(rule: Rule): string {
  switch (rule.kind) {
    case 'type':
      return `must be ${rule.type}`;
    case 'characters':
      return `must be ${span(rule.min, rule.max)} ${noun(rule.set, rule.max)}${orEmptyWords(rule.optional)}`;
    case 'text':
      if (rule.max === Infinity) return 'must not be empty';
      return rule.optional
        ? `must be up to ${rule.max} characters, or empty`
        : `must be ${span(rule.min, rule.max)} characters`;
    case 'one_of':
      return `must be ${alternatives(rule.values)}${orEmptyWords(rule.optional)}`;
    case 'whole':
      return `must be a whole number from ${wholeWords(rule.min)} to ${wholeWords(rule.max)}${orEmptyWords(rule.optional)}`;
    case 'currency':
      return 'must be the ISO 4217 alphabetic code of a currency with minor units';
    case 'country':
      return 'must be an ISO 3166-1 alpha-2 code';
    case 'month':
      return 'must be YYMM with a month from 01 to 12';
    case 'date':
      return `must be a real date, YYYY-MM-DD${rule.notAfterToday ? ', not in the future' : ''}`;
    case 'instant':
      return `must be a real time, YYYY-MM-DDThh:mm:ssZ${rule.laterThan ? `, later than ${rule.laterThan}` : ''}`;
    case 'pan':
      return 'must be 13 to 19 digits with a correct check digit';
    case 'email':
      return 'must have one @ with something on both sides, a dot in the domain, no spaces and up to 254 characters, or be empty';
    case 'phone':
      return 'must be + and 7 to 15 digits, or empty';
    case 'pin_value': {
      const shapes = pinShapes.map((s) => `${span(s.min, s.max)} ${noun(s.set, s.max)} for ${s.format}`);
      return `must be ${shapes.join(', ')}, and empty exactly when ${rule.format} is empty`;
    }
    case 'characters_with':
      return `must be ${span(rule.min, rule.max)} ${noun(rule.set, rule.max)}, and empty exactly when ${rule.field} is empty`;
    case 'whole_only_for':
      return `must be a whole number from 0 to ${wholeWords(WHOLE_MAX)}, and 0 unless ${rule.field} is ${rule.value}`;
    case 'bin_ranges':
      return 'must be PAN prefixes of 6 to 8 digits, separated by ;';
    case 'sequence':
      return `must be a whole number from 1 to ${wholeWords(WHOLE_MAX)}, or 0 when ${rule.field} is ${rule.value}`;
    case 'totals':
      return 'must be CUR=sum pairs in alphabetical order of their ISO 4217 codes, separated by ;, or empty';
  }
}

export const NO_BREAKS = 'must not contain a line break or NUL';

function span(min: number, max: number): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

function noun(set: CharacterSet, count: number): string {
  const plural = count === 1 ? '' : 's';
  if (set === DIGITS) return `digit${plural}`;
  if (set === '0-9 A-F a-f') return `hexadecimal digit${plural}`;
  return `of ${set}`;
}

function wholeWords(value: number): string {
  if (Math.abs(value) !== WHOLE_MAX) return `${value}`;
  return value < 0 ? '-(2^53-1)' : '2^53-1';
}

function alternatives(values: readonly string[]): string {
  return values.length === 1 ? values[0] : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

function orEmptyWords(optional: boolean): string {
  return optional ? ', or empty' : '';
}
