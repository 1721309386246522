import {
  binRanges,
  characters,
  country,
  currency,
  date,
  digits,
  email,
  IDENTIFIER,
  identifier,
  instant,
  instantAfter,
  month,
  oneOf,
  orEmpty,
  pan,
  pastDate,
  phone,
  text,
  totals,
  type,
  whole,
  WHOLE_MAX,
  type Rule,
} from './rules.ts';

/**
 * The portfolio contract, field by field, in the order of a line. Checks, header and trailer, generated
 * files and documents are all read from here.
 */

export interface RecordDeclaration<Name extends string = string> {
  /** The first field of its lines. */
  readonly type: string;
  readonly fields: readonly { readonly name: Name; readonly rule: Rule }[];
}

/** Object literals keep the order of such keys, so a declaration reads like the contract's table. */
function record<Name extends string>(name: string, rules: Record<Name, Rule>): RecordDeclaration<Name> {
  const names = Object.keys(rules) as Name[];
  return { type: name, fields: names.map((field) => ({ name: field, rule: rules[field] })) };
}

/** Where each field stands, counted from zero: the contract's number less one. */
function fieldIndexes<Name extends string>(
  declaration: RecordDeclaration<Name>,
): Readonly<Record<Name, number>> {
  const indexes = {} as Record<Name, number>;
  declaration.fields.forEach((field, i) => (indexes[field.name] = i));
  return Object.freeze(indexes);
}

export const header = record('H', {
  record_type: type('H'),
  format_version: oneOf('1'),
  file_id: identifier(64),
  // Which tenant it must be is the cell's knowledge; a foreign name is `wrong_cell`, not a broken header.
  tenant: text(1, Infinity),
  environment: oneOf('demo', 'staging', 'production'),
  kind: oneOf('full', 'delta', 'mock'),
  sequence: { kind: 'sequence', field: 'kind', value: 'mock' },
  source: characters('a-z 0-9 -', 1, 32),
  created_at: instant,
  bin_ranges: binRanges,
});

export const card = record('C', {
  record_type: type('C'),
  external_card_id: identifier(64),
  version: whole(1),
  operation: oneOf('upsert', 'status', 'close'),
  pan,
  expiry: month,
  pan_sequence: orEmpty(digits(2)),
  service_code: digits(3),
  status: oneOf('active', 'inactive', 'blocked', 'lost', 'stolen', 'damaged', 'expired', 'closed'),
  status_reason: orEmpty(text(1, 64)),
  card_type: oneOf('physical', 'virtual'),
  product: identifier(32),
  issued_on: date,
  pin_format: orEmpty(oneOf('iso0', 'iso4', 'ibm3624')),
  pin_value: { kind: 'pin_value', format: 'pin_format' },
  pin_key_id: { kind: 'characters_with', set: IDENTIFIER, min: 1, max: 32, field: 'pin_format' },
  pin_tries_left: orEmpty(digits(1)),
  external_account_id: identifier(64),
  account_type: oneOf('debit', 'prepaid', 'credit'),
  currency,
  posted_minor: whole(-WHOLE_MAX),
  credit_limit_minor: { kind: 'whole_only_for', field: 'account_type', value: 'credit' },
  daily_limit_minor: orEmpty(whole(0)),
  monthly_limit_minor: orEmpty(whole(0)),
  external_cardholder_id: identifier(64),
  given_names: text(1, 100),
  family_names: text(1, 100),
  document_type: oneOf('dni', 'ce', 'passport', 'ruc', 'cuit', 'curp', 'cpf', 'cc', 'rut', 'other'),
  document_number: characters('A-Z a-z 0-9 . -', 1, 32),
  birth_date: pastDate,
  email,
  phone,
  address_line: orEmpty(text(1, 200)),
  city: orEmpty(text(1, 100)),
  country,
  embossed_name: orEmpty(text(1, 26)),
});

export const hold = record('O', {
  record_type: type('O'),
  external_hold_id: identifier(64),
  external_card_id: identifier(64),
  amount_minor: whole(1),
  currency,
  merchant_name: text(1, 64),
  mcc: digits(4),
  approval_code: characters('A-Z 0-9', 6),
  stan: digits(6),
  rrn: characters('A-Z 0-9', 12),
  approved_at: instant,
  expires_at: instantAfter('approved_at'),
});

export const token = record('W', {
  record_type: type('W'),
  external_token_ref: identifier(64),
  external_card_id: identifier(64),
  requestor: characters('a-z 0-9 -', 1, 32),
  device_id: orEmpty(text(1, 64)),
  status: oneOf('active', 'suspended', 'deleted'),
  expiry: month,
});

export const trailer = record('T', {
  record_type: type('T'),
  card_rows: whole(0),
  hold_rows: whole(0),
  token_rows: whole(0),
  posted_totals: totals,
  held_totals: totals,
});

export const H = fieldIndexes(header);
export const C = fieldIndexes(card);
export const O = fieldIndexes(hold);
export const W = fieldIndexes(token);
export const T = fieldIndexes(trailer);

/** The lines between header and trailer. */
export type RowType = 'C' | 'O' | 'W';
export const rows: Readonly<Record<RowType, RecordDeclaration>> = { C: card, O: hold, W: token };

/** What the first field of a line names; `?` is everything else. */
export type LineType = RowType | 'H' | 'T' | '?';

export const FIELDS_MAX = card.fields.length;
