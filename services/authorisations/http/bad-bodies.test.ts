import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  advice,
  authorisation,
  type Body,
  merchant,
  original,
  PAN,
  reversal,
  without,
} from './testing/bodies.ts';
import { FakeHost } from './testing/server.ts';

const host = new FakeHost();

const AUTHORISE = '/v1/authorisations';
const PAY = '/v1/financials';
const ADVISE = '/v1/advices';
const REVERSE = '/v1/reversals';

type Faults = Readonly<Record<string, RegExp>>;

/** What each body is refused for, pointer by pointer. */
const REFUSED: readonly (readonly [what: string, path: string, body: Body, faults: Faults])[] = [
  ['no fields', REVERSE, {}, everyRequired()],
  ['a field missing', AUTHORISE, without(authorisation(), 'stan'), { '#/stan': /^is missing$/ }],
  ['a field unknown', AUTHORISE, authorisation({ amount: '1' }), { '#/amount': /^is unknown here$/ }],
  [
    'a name that may be a value',
    AUTHORISE,
    authorisation({ [PAN]: '1', [`cvv${PAN}`]: '1' }),
    { '#': /^has a field that is unknown here$/ },
  ],
  [
    'two fields wrong and one missing',
    PAY,
    { ...without(authorisation(), 'rrn'), amount_minor: 12550, currency: 'pen' },
    {
      '#/rrn': /^is missing$/,
      '#/amount_minor': /^must be a whole number of minor units/,
      '#/currency': /capital/,
    },
  ],
  [
    'a short card number',
    AUTHORISE,
    authorisation({ card_number: '450917' }),
    { '#/card_number': /13 to 19/ },
  ],
  [
    'a track for a card number',
    AUTHORISE,
    authorisation({ card_number: `${PAN}=2812` }),
    { '#/card_number': /./ },
  ],
  [
    'a card number as a number',
    AUTHORISE,
    authorisation({ card_number: Number(PAN) }),
    { '#/card_number': /./ },
  ],
  ['an amount with decimals', AUTHORISE, authorisation({ amount_minor: '1.50' }), { '#/amount_minor': /./ }],
  ['a negative amount', AUTHORISE, authorisation({ amount_minor: '-1' }), { '#/amount_minor': /./ }],
  [
    'an amount of 13 digits',
    AUTHORISE,
    authorisation({ amount_minor: '1'.repeat(13) }),
    { '#/amount_minor': /./ },
  ],
  [
    'leading zeros',
    AUTHORISE,
    authorisation({ amount_minor: '0012' }),
    { '#/amount_minor': /leading zeros/ },
  ],
  ['a currency of no list', AUTHORISE, authorisation({ currency: 'ZZZ' }), { '#/currency': /ISO 4217/ }],
  ['a metal', AUTHORISE, authorisation({ currency: 'XAU' }), { '#/currency': /ISO 4217/ }],
  ['a currency in digits', AUTHORISE, authorisation({ currency: '604' }), { '#/currency': /ISO 4217/ }],
  ['a month 13', AUTHORISE, authorisation({ expiry: '2813' }), { '#/expiry': /YYMM/ }],
  ['a stan of 7 digits', AUTHORISE, authorisation({ stan: '0000421' }), { '#/stan': /^must be 6 digits$/ }],
  ['an rrn of 11', AUTHORISE, authorisation({ rrn: '63251200004' }), { '#/rrn': /12 letters or digits/ }],
  ['an acquirer in letters', AUTHORISE, authorisation({ acquirer: 'ACME' }), { '#/acquirer': /11 digits/ }],
  ['a time with a zone', AUTHORISE, authorisation({ transmitted_at: '2026-11-20T07:00:00-05:00' }), TIME()],
  [
    'a time with milliseconds',
    AUTHORISE,
    authorisation({ transmitted_at: '2026-11-20T12:00:00.000Z' }),
    TIME(),
  ],
  ['30 February', AUTHORISE, authorisation({ transmitted_at: '2026-02-30T12:00:00Z' }), TIME()],
  [
    'a time of another year',
    AUTHORISE,
    authorisation({ transmitted_at: '2024-11-20T12:00:00Z' }),
    TIME(/half a year/),
  ],
  [
    '29 February of a year that is far',
    AUTHORISE,
    authorisation({ transmitted_at: '2024-02-29T12:00:00Z' }),
    TIME(/half a year/),
  ],
  [
    'another processing',
    AUTHORISE,
    authorisation({ processing_type: 'transfer' }),
    { '#/processing_type': /refund/ },
  ],
  [
    'a PIN block too short',
    AUTHORISE,
    authorisation({ pin_block: '0123' }),
    { '#/pin_block': /16 hexadecimal/ },
  ],
  ['half a byte of chip data', AUTHORISE, authorisation({ chip_data: '9F2' }), { '#/chip_data': /in pairs/ }],
  [
    'a merchant that is none',
    AUTHORISE,
    authorisation({ merchant: 'x' }),
    { '#/merchant': /^must be an object$/ },
  ],
  [
    'a merchant half told',
    AUTHORISE,
    authorisation({ merchant: { ...without(merchant, 'mcc'), country: 'PER', name: 'Łódź', pos: 1 } }),
    {
      '#/merchant/mcc': /^is missing$/,
      '#/merchant/country': /two capital letters/,
      '#/merchant/name': /8859-1/,
      '#/merchant/pos': /^is unknown here$/,
    },
  ],
  [
    'a country of no list',
    AUTHORISE,
    authorisation({ merchant: { ...merchant, country: 'ZZ' } }),
    { '#/merchant/country': /./ },
  ],
  [
    'an approval code where none is',
    AUTHORISE,
    authorisation({ approval_code: 'A1B2C3' }),
    { '#/approval_code': /unknown/ },
  ],
  ['an advice without its kind', ADVISE, without(advice(), 'kind'), { '#/kind': /^is missing$/ }],
  ['an advice with a PIN', ADVISE, advice({ pin_block: '0123456789ABCDEF' }), { '#/pin_block': /unknown/ }],
  ['an approval code of 7', ADVISE, advice({ approval_code: 'A1B2C3D' }), { '#/approval_code': /1 to 6/ }],
  ['a reversal of nothing', REVERSE, without(reversal(), 'original'), { '#/original': /^is missing/ }],
  [
    'a reversal that leaves more than there was',
    REVERSE,
    reversal({ replacement_minor: '12551' }),
    { '#/replacement_minor': /not be more than amount_minor/ },
  ],
  [
    'an original half told',
    REVERSE,
    reversal({ original: { ...without(original, 'stan'), kind: 'reversal' } }),
    { '#/original/stan': /^is missing$/, '#/original/kind': /financial_advice/ },
  ],
  ['an advice flag as text', REVERSE, reversal({ advice: 'yes' }), { '#/advice': /^must be true or false$/ }],
];

function TIME(rule = /UTC to the second/): Faults {
  return { '#/transmitted_at': rule };
}

function everyRequired(): Faults {
  const names = 'transmitted_at stan acquirer rrn card_number processing_type amount_minor currency'.split(
    ' ',
  );
  return Object.fromEntries(names.map((name) => [`#/${name}`, /^is missing$/]));
}

for (const [what, path, body, faults] of REFUSED)
  test(`refused: ${what}`, async () => {
    const told = await host.post(path, body);
    assert.deepEqual([told.status, told.type], [400, 'application/problem+json']);
    const errors = told.body['errors'] as { pointer: string; detail: string }[];
    assert.deepEqual(
      new Set(errors.map(({ pointer }) => pointer)),
      new Set(Object.keys(faults)),
      JSON.stringify(errors),
    );
    for (const { pointer, detail } of errors) assert.match(detail, faults[pointer]);
    assert.deepEqual(without(told.body, 'errors'), {
      type: 'urn:relevo:problem:invalid_request',
      title: 'The request is not as it must be',
      status: 400,
      detail: told.body['detail'],
      code: 'invalid_request',
    });
    assertTellsNothing(told.text);
    assert.equal(host.asked.length, 0);
  });

for (const name of 'cvv CVV2 cvc cvc2 cardVerificationValue security_code track1 Track-2 track2_data magstripe pin clear_pin'.split(
  ' ',
))
  test(`sensitive data is refused by its name: ${name}`, async () => {
    const bodies = [
      authorisation({ [name]: '123' }),
      authorisation({ merchant: { ...merchant, [name]: PAN } }),
    ];
    for (const body of [...bodies, { ...bodies[0], amount_minor: 'wrong' }]) {
      const told = await host.post(AUTHORISE, body);
      assert.deepEqual([told.status, told.body['code']], [400, 'sensitive_data_refused']);
      assert.match(String(told.body['detail']), /must not be sent/);
      assertTellsNothing(told.text);
    }
    const told = await host.post(AUTHORISE, bodies[0]);
    assert.deepEqual(told.body['errors'], [{ pointer: `#/${name}`, detail: 'must not be sent' }]);
    assert.equal(host.asked.length, 0);
  });

const NO_JSON = [
  '',
  '{',
  `{"card_number":"${PAN}"`,
  `${PAN}x`,
  '{"__proto__":{"a":1}}',
  `{"constructor":{"prototype":${PAN}}}`,
];

for (const text of NO_JSON)
  test(`refused: no JSON, ${text.replace(PAN, 'PAN')}`, async () => {
    const told = await host.post(AUTHORISE, text);
    assert.deepEqual(
      [told.status, told.body['code'], told.type],
      [400, 'not_json', 'application/problem+json'],
    );
    assertTellsNothing(told.text);
  });

for (const text of ['[]', 'null', '"x"', '7', `"${PAN}"`])
  test(`refused: no object, ${text.replace(PAN, 'PAN')}`, async () => {
    const told = await host.post(AUTHORISE, text);
    assert.deepEqual([told.status, told.body['code']], [400, 'invalid_request']);
    assert.deepEqual(told.body['errors'], [{ pointer: '#', detail: 'must be an object' }]);
    assertTellsNothing(told.text);
  });

test('a body of many faults is answered with the first of them', async () => {
  const many = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, i) => [`x${'y'.repeat(i % 30)}${i % 90}`, 1]),
  );
  const told = await host.post(AUTHORISE, many);
  assert.equal((told.body['errors'] as unknown[]).length, 32);
});

function assertTellsNothing(text: string): void {
  for (let at = 0; at + 6 <= PAN.length; at++)
    assert.ok(!text.includes(PAN.slice(at, at + 6)), 'an answer holds a piece of the card number');
}
