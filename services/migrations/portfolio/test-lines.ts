import type { card, header, hold, RecordDeclaration, token, trailer } from './records.ts';
import { Fields, splitLine } from './split-line.ts';

/** Lines for tests: one good example of each record type, to be changed field by field. */

type Values<R> = R extends RecordDeclaration<infer Name> ? Record<Name, string> : never;

export const TODAY = '2026-11-20';
export const BIN_RANGES = ['45091700', '510510'];

export const goodHeader: Values<typeof header> = {
  record_type: 'H',
  format_version: '1',
  file_id: 'andina-full-001',
  tenant: 'andina',
  environment: 'production',
  kind: 'full',
  sequence: '1',
  source: 'old-processor',
  created_at: '2026-11-20T06:00:00Z',
  bin_ranges: BIN_RANGES.join(';'),
};

export const goodCard: Values<typeof card> = {
  record_type: 'C',
  external_card_id: 'card-1',
  version: '1',
  operation: 'upsert',
  pan: '4509170000000009',
  expiry: '2908',
  pan_sequence: '00',
  service_code: '201',
  status: 'active',
  status_reason: '',
  card_type: 'physical',
  product: 'classic',
  issued_on: '2019-09-26',
  pin_format: '',
  pin_value: '',
  pin_key_id: '',
  pin_tries_left: '',
  external_account_id: 'acct-1',
  account_type: 'debit',
  currency: 'PEN',
  posted_minor: '100',
  credit_limit_minor: '0',
  daily_limit_minor: '',
  monthly_limit_minor: '',
  external_cardholder_id: 'holder-1',
  given_names: 'Ñusta',
  family_names: 'Quispe',
  document_type: 'dni',
  document_number: '10000001',
  birth_date: '1992-10-21',
  email: '',
  phone: '',
  address_line: '',
  city: '',
  country: 'PE',
  embossed_name: '',
};

export const goodHold: Values<typeof hold> = {
  record_type: 'O',
  external_hold_id: 'hold-1',
  external_card_id: 'card-1',
  amount_minor: '50',
  currency: 'PEN',
  merchant_name: 'Bodega "El Sol", Lima',
  mcc: '5411',
  approval_code: '7171B4',
  stan: '761970',
  rrn: '957939582651',
  approved_at: '2026-11-19T10:00:00Z',
  expires_at: '2026-11-26T10:00:00Z',
};

export const goodToken: Values<typeof token> = {
  record_type: 'W',
  external_token_ref: 'tok-1',
  external_card_id: 'card-1',
  requestor: 'google-pay',
  device_id: 'dev-2',
  status: 'active',
  expiry: '3012',
};

export const goodTrailer: Values<typeof trailer> = {
  record_type: 'T',
  card_rows: '1',
  hold_rows: '1',
  token_rows: '1',
  posted_totals: 'PEN=100',
  held_totals: 'PEN=50',
};

/** One line of CSV, quoted only where it must be. Values are in the order of the contract. */
export function csv(values: Readonly<Record<string, string>> | readonly string[]): string {
  return Object.values(values).map(quoted).join(',');
}

export function quoted(value: string): string {
  return /[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

export function fieldsOf(line: string | Buffer): Fields {
  const bytes = Buffer.from(line);
  const fields = new Fields();
  splitLine(bytes, 0, bytes.length, fields);
  return fields;
}

/** A stream of the bytes in pieces of these sizes, over and over. */
export async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length];
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
