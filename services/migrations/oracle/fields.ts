import * as is from './values.ts';

/** A record's fields by name, and what a rule may look at besides its own value. */
export type Row = Readonly<Record<string, string>>;
type FieldRule = (value: string, row: Row, today: string) => boolean;
type Layout = readonly (readonly [name: string, rule: FieldRule])[];

const PIN_VALUES: Record<string, RegExp> = {
  iso0: /^[0-9A-Fa-f]{16}$/,
  iso4: /^[0-9A-Fa-f]{32}$/,
  ibm3624: /^[0-9]{4,12}$/,
};

/** The fields after the record type, in field order: the order in which they are judged. */
export const layouts: Record<'H' | 'C' | 'O' | 'W' | 'T', Layout> = {
  H: [
    ['format_version', is.oneOf('1')],
    ['file_id', is.externalId],
    ['tenant', is.text(0, Infinity)], // which tenants exist is no matter of form
    ['environment', is.oneOf('demo', 'staging', 'production')],
    ['kind', is.oneOf('full', 'delta', 'mock')],
    ['sequence', (value, row) => (row.kind === 'mock' ? value === '0' : is.wholeFrom(1n)(value))],
    ['source', is.matches(/^[a-z0-9-]{1,32}$/)],
    ['created_at', is.realTime],
    ['bin_ranges', is.matches(/^[0-9]{6,8}(;[0-9]{6,8})*$/)],
  ],
  C: [
    ['external_card_id', is.externalId],
    ['version', is.wholeFrom(1n)],
    ['operation', is.oneOf('upsert', 'status', 'close')],
    ['pan', is.pan],
    ['expiry', is.yearMonth],
    ['pan_sequence', is.orEmpty(is.matches(/^[0-9]{2}$/))],
    ['service_code', is.matches(/^[0-9]{3}$/)],
    ['status', is.oneOf('active', 'inactive', 'blocked', 'lost', 'stolen', 'damaged', 'expired', 'closed')],
    ['status_reason', is.text(0, 64)],
    ['card_type', is.oneOf('physical', 'virtual')],
    ['product', is.shortName],
    ['issued_on', is.realDate],
    ['pin_format', is.oneOf('', 'iso0', 'iso4', 'ibm3624')],
    [
      'pin_value',
      (value, row) => (row.pin_format === '' ? value === '' : PIN_VALUES[row.pin_format].test(value)),
    ],
    ['pin_key_id', (value, row) => (row.pin_format === '' ? value === '' : is.shortName(value))],
    ['pin_tries_left', is.orEmpty(is.matches(/^[0-9]$/))],
    ['external_account_id', is.externalId],
    ['account_type', is.oneOf('debit', 'prepaid', 'credit')],
    ['currency', is.currency],
    ['posted_minor', is.signedWhole],
    [
      'credit_limit_minor',
      (value, row) => is.wholeFrom(0n)(value) && (row.account_type === 'credit' || BigInt(value) === 0n),
    ],
    ['daily_limit_minor', is.orEmpty(is.wholeFrom(0n))],
    ['monthly_limit_minor', is.orEmpty(is.wholeFrom(0n))],
    ['external_cardholder_id', is.externalId],
    ['given_names', is.text(1, 100)],
    ['family_names', is.text(1, 100)],
    ['document_type', is.oneOf('dni', 'ce', 'passport', 'ruc', 'cuit', 'curp', 'cpf', 'cc', 'rut', 'other')],
    ['document_number', is.matches(/^[A-Za-z0-9.-]{1,32}$/)],
    ['birth_date', (value, _row, today) => is.realDate(value) && value <= today],
    ['email', is.orEmpty(is.email)],
    ['phone', is.orEmpty(is.matches(/^\+[0-9]{7,15}$/))],
    ['address_line', is.text(0, 200)],
    ['city', is.text(0, 100)],
    ['country', is.country],
    ['embossed_name', is.text(0, 26)],
  ],
  O: [
    ['external_hold_id', is.externalId],
    ['external_card_id', is.externalId],
    ['amount_minor', is.wholeFrom(1n)],
    ['currency', is.currency],
    ['merchant_name', is.text(1, 64)],
    ['mcc', is.matches(/^[0-9]{4}$/)],
    ['approval_code', is.matches(/^[A-Z0-9]{6}$/)],
    ['stan', is.matches(/^[0-9]{6}$/)],
    ['rrn', is.matches(/^[A-Z0-9]{12}$/)],
    ['approved_at', is.realTime],
    ['expires_at', (value, row) => is.realTime(value) && value > row.approved_at],
  ],
  W: [
    ['external_token_ref', is.externalId],
    ['external_card_id', is.externalId],
    ['requestor', is.matches(/^[a-z0-9-]{1,32}$/)],
    ['device_id', is.text(0, 64)],
    ['status', is.oneOf('active', 'suspended', 'deleted')],
    ['expiry', is.yearMonth],
  ],
  T: [
    ['card_rows', is.wholeFrom(0n)],
    ['hold_rows', is.wholeFrom(0n)],
    ['token_rows', is.wholeFrom(0n)],
    ['posted_totals', isTotals],
    ['held_totals', isTotals],
  ],
};

export function rowOf(recordType: keyof typeof layouts, fields: readonly string[]): Row {
  return Object.fromEntries(layouts[recordType].map(([name], i) => [name, fields[i + 1]]));
}

/** The first field of the row that breaks its rule, or null. */
export function firstInvalid(recordType: keyof typeof layouts, row: Row, today: string): string | null {
  const broken = layouts[recordType].find(([name, rule]) => !rule(row[name], row, today));
  return broken?.[0] ?? null;
}

/** Whether these fields follow their rules, whatever the others do. */
export function follow(recordType: 'C' | 'O', row: Row, names: readonly string[]): boolean {
  return layouts[recordType].every(([name, rule]) => !names.includes(name) || rule(row[name], row, ''));
}

function isTotals(value: string): boolean {
  if (value === '') return true;
  if (!/^[A-Z]{3}=-?[0-9]+(;[A-Z]{3}=-?[0-9]+)*$/.test(value)) return false;
  const currencies = value.split(';').map((pair) => pair.slice(0, 3));
  return currencies.every((code, i) => i === 0 || currencies[i - 1] < code);
}
