import { C } from './cards.ts';
import type { FaultContext, FaultKind } from './faults.ts';

/** A PAN whose last digit is one too high. */
const wrongCheckDigit = (pan: string): string => pan.slice(0, -1) + ((Number(pan.at(-1)) + 1) % 10);

const invalidCard = (
  field: keyof typeof C,
  bad: string | ((good: string) => string),
  others: Partial<Record<keyof typeof C, string>> = {},
): FaultKind => ({
  code: 'invalid_field',
  field,
  make: ({ ownCard }) => {
    const fields = ownCard();
    for (const [name, value] of Object.entries(others)) fields[C[name as keyof typeof C]] = value;
    fields[C[field]] = typeof bad === 'string' ? bad : bad(fields[C[field]]);
    // The trailer sums what follows the rules of the three fields it needs, whatever else is wrong.
    const isSummed = !['external_account_id', 'currency', 'posted_minor'].includes(field);
    return { recordType: 'C', line: fields.join(','), summed: isSummed ? fields : null };
  },
});

const invalidOf = (
  recordType: 'O' | 'W',
  own: (context: FaultContext) => string[],
  bad: readonly (readonly [field: string, place: number, bad: string])[],
): FaultKind[] =>
  bad.map(([field, place, value]) => ({
    code: 'invalid_field',
    field,
    make: (context) => {
      const fields = own(context).with(place, value);
      const isSummed = recordType === 'O' && field !== 'amount_minor' && field !== 'currency';
      return { recordType, line: fields.join(','), summed: isSummed ? fields : null };
    },
  }));

/** Every field of every row, breaking its rule at least once. */
export const invalidFields: FaultKind[] = [
  invalidCard('pan', wrongCheckDigit),
  invalidCard('pan', '450917000000'),
  invalidCard('pan', '４５０９１７０００００００００８'),
  invalidCard('pan', '4509 1700 0000 0009'),
  invalidCard('external_card_id', 'id with space'),
  invalidCard('external_card_id', ''),
  invalidCard('version', '0'),
  invalidCard('version', '1.5'),
  invalidCard('operation', 'insert'),
  invalidCard('expiry', '2913'),
  invalidCard('pan_sequence', '1'),
  invalidCard('service_code', '2O1'),
  invalidCard('status', 'frozen'),
  invalidCard('status_reason', 'ñ'.repeat(65)),
  invalidCard('card_type', 'plastic'),
  invalidCard('product', 'gold card'),
  invalidCard('issued_on', '2021-02-30'),
  invalidCard('pin_format', 'iso9'),
  invalidCard('pin_value', '0123456789ABCDE', { pin_format: 'iso0', pin_key_id: 'ZPK-01' }),
  invalidCard('pin_value', '1234', { pin_format: '', pin_key_id: '' }),
  invalidCard('pin_value', '', { pin_format: 'iso4', pin_key_id: 'ZPK-01' }),
  invalidCard('pin_key_id', '', { pin_format: 'ibm3624', pin_value: '1234' }),
  invalidCard('pin_key_id', 'ZPK-01', { pin_format: '', pin_value: '' }),
  invalidCard('pin_tries_left', '10'),
  invalidCard('external_account_id', 'acct/1'),
  invalidCard('account_type', 'savings'),
  invalidCard('currency', 'pen'),
  invalidCard('currency', 'XXX'),
  invalidCard('posted_minor', '10.50'),
  invalidCard('posted_minor', '9007199254740992'),
  invalidCard('credit_limit_minor', '-1'),
  invalidCard('credit_limit_minor', '500', { account_type: 'debit' }),
  invalidCard('daily_limit_minor', 'lots'),
  invalidCard('monthly_limit_minor', '-5'),
  invalidCard('external_cardholder_id', 'x'.repeat(65)),
  invalidCard('given_names', ''),
  invalidCard('family_names', 'x'.repeat(101)),
  invalidCard('document_type', 'ssn'),
  invalidCard('document_number', '12 34'),
  invalidCard('birth_date', '2199-01-01'),
  invalidCard('birth_date', '1990-13-01'),
  invalidCard('email', 'a@b@c.d'),
  invalidCard('email', 'nobody@localhost'),
  invalidCard('phone', '5199999'),
  invalidCard('address_line', 'x'.repeat(201)),
  invalidCard('city', 'Li\0ma'),
  invalidCard('country', 'XK'),
  invalidCard('embossed_name', 'X'.repeat(27)),
  ...invalidOf('O', ({ ownHold }) => ownHold(), [
    ['external_hold_id', 1, ''],
    ['external_card_id', 2, 'no such card'],
    ['amount_minor', 3, '0'],
    ['currency', 4, 'SOL'],
    ['merchant_name', 5, ''],
    ['mcc', 6, '54'],
    ['approval_code', 7, 'a1b2c3'],
    ['stan', 8, '12345'],
    ['rrn', 9, '12345678901'],
    ['approved_at', 10, '2026-02-29T10:00:00Z'],
    ['expires_at', 11, '2001-01-01T00:00:00Z'],
  ]),
  ...invalidOf('W', ({ ownToken }) => ownToken(), [
    ['external_token_ref', 1, ''],
    ['external_card_id', 2, ''],
    ['requestor', 3, 'Apple Pay'],
    ['device_id', 4, 'x'.repeat(65)],
    ['status', 5, 'gone'],
    ['expiry', 6, '3013'],
  ]),
];
