import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowCheck, Utf8Lines } from './check-row.ts';
import { card, hold, token } from './records.ts';
import { sentence } from './rules.ts';
import { BIN_RANGES, csv, fieldsOf, goodCard, goodHold, goodToken, TODAY } from './test-lines.ts';

const check = new RowCheck({ binRanges: BIN_RANGES, today: TODAY });

function judge(line: string | Buffer, isUtf8 = true) {
  const rejection = check.check(fieldsOf(line), isUtf8);
  return rejection === null
    ? 'ok'
    : rejection.field
      ? `${rejection.code} ${rejection.field}`
      : rejection.code;
}

type Cases<Name extends string> = Partial<Record<Name, { good: string[]; bad: string[] }>>;

const x = (count: number, text = 'x'): string => text.repeat(count);
const safe = '9007199254740991';
const unsafe = '9007199254740992';
const identifier = (max: number) => ({
  good: ['A', 'z.0_-', x(max)],
  bad: ['', 'a b', 'ñ', 'a/b', x(max + 1), ' a', 'a,b', 'a"b'],
});
const month = { good: ['0001', '9912', '2001'], bad: ['', '2900', '2913', '290', '29011', '29-1', '٢٩٠١'] };
const optionalLimit = { good: ['', '0', '007', safe], bad: ['-1', '-0', '+1', '1.0', ' 1', unsafe, '1e3'] };
const instant = [
  '2026-11-19T10:00:60Z',
  '2026-11-19T10:60:00Z',
  '2026-11-19T24:00:00Z',
  '2026-02-29T10:00:00Z',
  '2026-11-19t10:00:00Z',
  '2026-11-19T10:00:00z',
  '2026-11-19 10:00:00Z',
  '2026-11-19T10:00:00+00:00',
  '2026-11-19T10:00:00.0Z',
  '2026-11-19T10:00:00',
  '',
];

const cardCases: Cases<keyof typeof goodCard> = {
  external_card_id: identifier(64),
  version: { good: ['1', '02', safe, `000${safe}`], bad: ['', '0', '-1', '1.5', unsafe, x(400, '9'), '１'] },
  operation: { good: ['upsert', 'status', 'close'], bad: ['', 'Upsert', 'delete', 'upsert '] },
  pan: {
    good: ['4509170000000009', '5105100000000001', '4509170000000', '4509170000000000000'],
    bad: [
      '',
      '4509170000000008',
      '450917000009',
      '45091700000000000009',
      '4509 1700 0000 0009',
      '450917000000000९',
    ],
  },
  expiry: month,
  pan_sequence: { good: ['', '00', '99'], bad: ['0', '100', 'ab', ' 1'] },
  service_code: { good: ['000', '201'], bad: ['', '20', '2010', '2a1'] },
  status: {
    good: ['active', 'inactive', 'blocked', 'lost', 'stolen', 'damaged', 'expired', 'closed'],
    bad: ['', 'ACTIVE', 'actives', 'activ', 'unknown'],
  },
  status_reason: {
    good: ['', ' ', x(64), x(64, 'ñ'), x(64, '💳')],
    bad: [x(65), x(65, 'ñ'), 'a\rb', 'a\0b'],
  },
  card_type: { good: ['physical', 'virtual'], bad: ['', 'metal'] },
  product: identifier(32),
  issued_on: {
    good: ['2024-02-29', '2000-02-29', '9999-12-31', '0001-01-01'],
    bad: [
      '',
      '2023-02-29',
      '1900-02-29',
      '2024-04-31',
      '2024-00-10',
      '2024-13-01',
      '2024-01-00',
      '0000-01-01',
    ].concat(['24-01-01', '2024/01/01', '2024-1-1', '2024-01-01 ', '2024-01-1a']),
  },
  pin_format: { good: [''], bad: ['iso1', 'ISO0', ' '] },
  pin_value: { good: [''], bad: ['1234'] },
  pin_key_id: { good: [''], bad: ['ZPK-01'] },
  pin_tries_left: { good: ['', '0', '9'], bad: ['10', 'x', '-1'] },
  external_account_id: identifier(64),
  account_type: { good: ['debit', 'prepaid', 'credit'], bad: ['', 'savings', 'Credit'] },
  currency: {
    good: ['PEN', 'USD', 'CLP', 'EUR'],
    bad: ['', 'pen', 'PE', 'PENS', 'QQQ', 'XXX', 'XTS', '604', 'P N'],
  },
  posted_minor: {
    good: ['0', '-0', '-1', '00012', safe, `-${safe}`],
    bad: ['', '-', '--1', '+1', '1-', unsafe, `-${unsafe}`, '1,0', '1.0', ' 1', '0x1'],
  },
  credit_limit_minor: { good: ['0', '00'], bad: ['', '-0', '1', '-1', 'x'] },
  daily_limit_minor: optionalLimit,
  monthly_limit_minor: optionalLimit,
  external_cardholder_id: identifier(64),
  given_names: {
    good: ['x', ' ', 'a, b', 'say "x"', x(100, 'ñ')],
    bad: ['', x(101), x(101, 'ñ'), 'a\0', '\r'],
  },
  family_names: { good: ['x', x(100)], bad: ['', x(101)] },
  document_type: {
    good: ['dni', 'ce', 'passport', 'ruc', 'cuit', 'curp', 'cpf', 'cc', 'rut', 'other'],
    bad: ['', 'DNI', 'id'],
  },
  document_number: { good: ['A', 'a.1-Z', x(32)], bad: ['', 'a_b', x(33), 'a b'] },
  birth_date: {
    good: [TODAY, '1900-01-01'],
    bad: ['', '2026-11-21', '2027-01-01', '1990-02-30', '19900101'],
  },
  email: {
    good: ['', 'a@b.c', 'a@.', 'ñ@ñ.pe', 'a..b@c.d', `${x(250)}@b.c`, `${x(250, 'ñ')}@b.c`],
    bad: ['a', '@b.c', 'a@', 'a@b', 'a.b@c', 'a@b@c.d', 'a b@c.d', 'a@b.c ', `${x(251)}@b.c`, 'a@b.\r'],
  },
  phone: {
    good: ['', '+1234567', '+123456789012345'],
    bad: ['1234567', '+123456', '+1234567890123456', '+12 34567', '+'],
  },
  address_line: { good: ['', x(200), x(200, 'ñ'), 'Jr. "La Unión" 77, Lima'], bad: [x(201), x(201, 'ñ')] },
  city: { good: ['', x(100)], bad: [x(101)] },
  country: { good: ['PE', 'AR', 'US'], bad: ['', 'pe', 'PER', 'XK', 'ZZ', 'UK', 'P'] },
  embossed_name: { good: ['', x(26), x(26, 'Ñ')], bad: [x(27), x(27, 'Ñ')] },
};

const holdCases: Cases<keyof typeof goodHold> = {
  external_hold_id: identifier(64),
  external_card_id: identifier(64),
  amount_minor: { good: ['1', safe], bad: ['', '0', '-1', unsafe] },
  currency: { good: ['USD'], bad: ['', 'usd', 'XXX'] },
  merchant_name: { good: ['x', x(64, 'ñ')], bad: ['', x(65)] },
  mcc: { good: ['0000', '9999'], bad: ['', '541', '54111', '541a'] },
  approval_code: { good: ['ABC123', '000000'], bad: ['', 'abc123', 'ABC12', 'ABC1234'] },
  stan: { good: ['000000'], bad: ['', '12345', '1234567', '12345a'] },
  rrn: { good: ['ABCDEF012345'], bad: ['', 'abcdef012345', '12345678901', '1234567890123'] },
  approved_at: { good: ['2026-11-19T23:59:59Z', '2024-02-29T00:00:00Z'], bad: instant },
  expires_at: {
    good: ['2026-11-19T10:00:01Z', '2027-01-01T00:00:00Z'],
    bad: ['2026-11-19T10:00:00Z', '2026-11-19T09:59:59Z', '2025-12-31T23:59:59Z', ...instant],
  },
};

const tokenCases: Cases<keyof typeof goodToken> = {
  external_token_ref: identifier(64),
  external_card_id: identifier(64),
  requestor: { good: ['a', 'google-pay-2', x(32)], bad: ['', 'Google', 'a.b', x(33)] },
  device_id: { good: ['', x(64), x(64, 'ñ')], bad: [x(65)] },
  status: { good: ['active', 'suspended', 'deleted'], bad: ['', 'inactive'] },
  expiry: month,
};

function everyField(
  good: Record<string, string>,
  cases: Record<string, { good: string[]; bad: string[] }>,
): void {
  const names = Object.keys(good);
  assert.deepEqual(Object.keys(cases), names.slice(1), 'every field has its cases');
  for (const name of names.slice(1)) {
    for (const value of cases[name].good) {
      assert.equal(judge(csv({ ...good, [name]: value })), 'ok', `${name}: ${JSON.stringify(value)}`);
    }
    for (const value of cases[name].bad) {
      const line = csv({ ...good, [name]: value });
      assert.equal(judge(line), `invalid_field ${name}`, `${name}: ${JSON.stringify(value)}`);
    }
  }
}

test('every field of a card line follows its rule', () => everyField(goodCard, cardCases as never));
test('every field of a hold line follows its rule', () => everyField(goodHold, holdCases as never));
test('every field of a token line follows its rule', () => everyField(goodToken, tokenCases as never));

test('pin_value has the shape of its format, and both key and value come with it', () => {
  const hex = '0123456789abcdefABCDEF0123456789';
  const cases: [format: string, value: string, key: string, outcome: string][] = [
    ['iso0', hex.slice(0, 16), 'ZPK-01', 'ok'],
    ['iso4', hex, x(32), 'ok'],
    ['ibm3624', '0123', 'k', 'ok'],
    ['ibm3624', '012345678901', 'k', 'ok'],
    ['iso0', hex, 'k', 'invalid_field pin_value'],
    ['iso4', hex.slice(0, 16), 'k', 'invalid_field pin_value'],
    ['iso0', '0123456789abcdeg', 'k', 'invalid_field pin_value'],
    ['ibm3624', '012', 'k', 'invalid_field pin_value'],
    ['ibm3624', '0123456789012', 'k', 'invalid_field pin_value'],
    ['ibm3624', '12a4', 'k', 'invalid_field pin_value'],
    ['iso0', '', 'k', 'invalid_field pin_value'],
    ['', '', 'k', 'invalid_field pin_key_id'],
    ['iso0', hex.slice(0, 16), '', 'invalid_field pin_key_id'],
    ['iso0', hex.slice(0, 16), x(33), 'invalid_field pin_key_id'],
    ['iso0', hex.slice(0, 16), 'a b', 'invalid_field pin_key_id'],
  ];
  for (const [pin_format, pin_value, pin_key_id, outcome] of cases) {
    const line = csv({ ...goodCard, pin_format, pin_value, pin_key_id });
    assert.equal(judge(line), outcome, `${pin_format} ${pin_value} ${pin_key_id}`);
  }
});

test('only a credit account has a credit limit', () => {
  const withLimit = (account_type: string, credit_limit_minor: string) =>
    judge(csv({ ...goodCard, account_type, credit_limit_minor }));
  assert.equal(withLimit('credit', '2500000'), 'ok');
  assert.equal(withLimit('credit', '0'), 'ok');
  assert.equal(withLimit('credit', unsafe), 'invalid_field credit_limit_minor');
  assert.equal(withLimit('credit', ''), 'invalid_field credit_limit_minor');
  assert.equal(withLimit('prepaid', '1'), 'invalid_field credit_limit_minor');
});

test('the first check that fails gives the code, the first field in order the detail', () => {
  const bad = { ...goodCard, status: 'x', email: 'x' };
  const undeclared = { ...goodCard, pan: '4111111111111111' };
  const cases: [name: string, line: string, isUtf8: boolean, outcome: string][] = [
    ['one field less', csv(Object.values(goodCard).slice(0, -1)), false, 'wrong_field_count'],
    ['one field more', `${csv(goodCard)},`, true, 'wrong_field_count'],
    ['a hold as long as a card', `O${csv(goodCard).slice(1)}`, true, 'wrong_field_count'],
    ['broken quoting', `${csv(goodCard)}"`, false, 'wrong_field_count'],
    ['an unknown type', csv({ ...goodCard, record_type: 'X' }), false, 'wrong_field_count'],
    ['an empty line', '', true, 'wrong_field_count'],
    ['bad encoding and bad fields', csv(bad), false, 'bad_encoding'],
    ['two bad fields', csv(bad), true, 'invalid_field status'],
    [
      'a bad field and a foreign PAN',
      csv({ ...undeclared, embossed_name: x(27) }),
      true,
      'invalid_field embossed_name',
    ],
    ['a foreign PAN', csv(undeclared), true, 'bin_not_declared'],
  ];
  for (const [name, line, isUtf8, outcome] of cases) assert.equal(judge(line, isUtf8), outcome, name);
});

test('a line break or NUL comes before the rule of its own field, and after faults of earlier fields', () => {
  const detail = (values: Partial<typeof goodCard>) =>
    check.check(fieldsOf(csv({ ...goodCard, ...values })), true)?.detail;
  assert.equal(detail({ city: 'Li\0ma' }), 'city must not contain a line break or NUL');
  assert.equal(detail({ pan: '45\r' }), 'pan must not contain a line break or NUL');
  assert.match(detail({ status: 'x', city: 'Li\rma' }) ?? '', /^status /);
});

test('PAN prefixes of every length are told apart', () => {
  const bins = new RowCheck({ binRanges: ['045091', '5105100', '41111111'], today: TODAY });
  const outcome = (pan: string) => bins.check(fieldsOf(csv({ ...goodCard, pan })), true)?.code ?? 'ok';
  assert.equal(outcome('4111111111111111'), 'ok');
  assert.equal(outcome('5105100000000001'), 'ok');
  assert.equal(outcome('0450910000000005'), 'ok');
  assert.equal(outcome('4509170000000009'), 'bin_not_declared');
  const leadingZero = new RowCheck({ binRanges: ['0450917'], today: TODAY });
  assert.equal(leadingZero.check(fieldsOf(csv(goodCard)), true)?.code, 'bin_not_declared');
  assert.equal(outcome('4111112000000001'), 'bin_not_declared');
});

test('no detail ever quotes the line', () => {
  const secret = '4509170000000008';
  for (const [good, declaration] of [
    [goodCard, card],
    [goodHold, hold],
    [goodToken, token],
  ] as const) {
    for (const { name } of declaration.fields.slice(1)) {
      const rejection = check.check(fieldsOf(csv({ ...good, [name]: `${secret}\0` })), true);
      assert.equal(rejection?.field, name);
      assert.ok(!rejection?.detail.includes(secret));
    }
  }
});

test('the sentences say what the contract says', () => {
  const said = Object.fromEntries(card.fields.map(({ name, rule }) => [name, sentence(rule)]));
  assert.equal(said.service_code, 'must be 3 digits');
  assert.equal(said.pan_sequence, 'must be 2 digits, or empty');
  assert.equal(said.pin_tries_left, 'must be 1 digit, or empty');
  assert.equal(said.external_card_id, 'must be 1 to 64 of A-Z a-z 0-9 . _ -');
  assert.equal(said.card_type, 'must be physical or virtual');
  assert.equal(said.version, 'must be a whole number from 1 to 2^53-1');
  assert.equal(said.embossed_name, 'must be up to 26 characters, or empty');
});

test('the id of a rejected line is given where the line has its fields and the id follows its rule', () => {
  const id = (line: string) => check.externalId(fieldsOf(line));
  assert.equal(id(csv({ ...goodCard, version: 'x' })), 'card-1');
  // Where columns were swapped, the place of the id holds what nobody may see.
  assert.equal(id(csv({ ...goodCard, external_card_id: goodCard.pan, pan: 'card-1' })), '');
  assert.equal(id(csv({ ...goodCard, external_card_id: '0123456789ABCDEF', pin_value: 'card-1' })), '');
  assert.equal(id(csv({ ...goodCard, external_card_id: 'a b' })), '');
  assert.equal(id('C,card-1,x'), '');
  assert.equal(id('W,tok-1,"'), '');
  assert.equal(id(`O,${goodCard.pan},"`), '');
  assert.equal(id(`C,${goodCard.pan}`), '');
  assert.equal(id('C'), '');
  assert.equal(id('X,card-1'), '');
  assert.equal(id(''), '');
});

test('lines count for the trailer by the rules of the fields that are summed, whatever the others are', () => {
  const posted = (values: Partial<typeof goodCard>) =>
    check.statesPosted(fieldsOf(csv({ ...goodCard, ...values })));
  assert.ok(posted({}));
  assert.ok(posted({ pan: 'x', status: '', credit_limit_minor: '', city: 'Li\0ma' }));
  assert.ok(!posted({ external_account_id: '' }));
  assert.ok(!posted({ currency: 'pen' }));
  assert.ok(!posted({ posted_minor: '' }));
  assert.ok(!check.statesPosted(fieldsOf(`${csv(goodCard)},`)));
  const held = (values: Partial<typeof goodHold>) =>
    check.statesHeld(fieldsOf(csv({ ...goodHold, ...values })));
  assert.ok(held({ external_card_id: '', mcc: 'x' }));
  assert.ok(!held({ amount_minor: '0' }));
  assert.ok(!held({ currency: 'x' }));
  assert.ok(!check.statesHeld(fieldsOf(csv(Object.values(goodHold).slice(0, -1)))));
});

test('a batch with one bad line still has its good lines', () => {
  const bytes = Buffer.concat([Buffer.from('ñ\n'), Buffer.from([0xf1, 0x0a]), Buffer.from('é\n')]);
  const mixed = new Utf8Lines(bytes);
  assert.deepEqual([mixed.isValid(0, 2), mixed.isValid(3, 4), mixed.isValid(5, 7)], [true, false, true]);
});
