import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { Message } from '#runtime/iso8583/message.ts';
import { panOf } from '#tools/testing/pans.ts';
import { runs } from '#tools/testing/seed.ts';
import { fromMessage } from './from-iso8583.ts';
import { answerMtiOf, isAdvice, isReversal, kindOf, type RequestKind } from './kinds.ts';
import { type AuthorisationRequest, isMalformed, type MalformedRequest } from './request.ts';

const NOW = new Date('2026-11-20T12:00:03Z');
const PAN = panOf('a card');
const ORIGINAL = '0100' + '000001' + '1120115900' + '00000400001' + '00000000000';

const FIELDS: Readonly<Record<number, string>> = {
  2: PAN,
  3: '000000',
  4: '000000012550',
  7: '1120120000',
  11: '000002',
  14: '2812',
  18: '5411',
  32: '00400001',
  37: '632512000002',
  41: 'TERM0001',
  42: 'MERCHANT0000001',
  43: 'MERCADO CENTRAL        LIMA         LIPE',
  49: '604',
};

/** A message with some fields changed; null takes one away. */
function message(mti: string, changes: Readonly<Record<number, string | null>> = {}): Message {
  const made = new Message(mti);
  for (const [field, value] of Object.entries({ ...FIELDS, ...changes }))
    if (value !== null) made.set(Number(field), value);
  return made;
}

function read(mti: string, changes: Readonly<Record<number, string | null>> = {}): AuthorisationRequest {
  const it = fromMessage(message(mti, changes), NOW);
  if (isMalformed(it)) assert.fail(it.reason);
  return it;
}

function refuse(mti: string, changes: Readonly<Record<number, string | null>>): MalformedRequest {
  const it = fromMessage(message(mti, changes), NOW);
  assert.ok(isMalformed(it), JSON.stringify(changes));
  return it;
}

test('an authorisation, field by field', () => {
  const { pan, ...rest } = read('0100');
  assert.equal(pan.reveal(), PAN);
  assert.deepEqual(rest, {
    kind: 'authorisation',
    expiry: '2812',
    processingCode: '000000',
    direction: 'debit',
    amountMinor: 12550,
    currency: 'PEN',
    transmittedAt: new Date('2026-11-20T12:00:00Z'),
    transmission: '1120120000',
    stan: '000002',
    acquirer: '400001',
    rrn: '632512000002',
    approvalCode: undefined,
    advisedCode: undefined,
    original: undefined,
    replacementMinor: undefined,
    merchant: {
      mcc: '5411',
      name: 'MERCADO CENTRAL',
      id: 'MERCHANT0000001',
      terminal: 'TERM0001',
      country: 'PE',
    },
    hasPin: false,
    hasChip: false,
  });
});

test('kinds by message type; a repeat is of the same kind', () => {
  const kinds: Readonly<Record<string, RequestKind>> = {
    '010': 'authorisation',
    '012': 'authorisation_advice',
    '020': 'financial',
    '022': 'financial_advice',
    '040': 'reversal',
    '042': 'reversal_advice',
  };
  for (const [type, kind] of Object.entries(kinds)) {
    const advice = type[2] === '2';
    assert.deepEqual([isAdvice(kind), isReversal(kind)], [advice, type[1] === '4']);
    for (const origin of ['0', '1']) {
      assert.equal(read(type + origin, { 90: ORIGINAL }).kind, kind);
      assert.equal(answerMtiOf(type + origin), `${type.slice(0, 2)}${advice ? 3 : 1}0`);
    }
  }
  for (const mti of ['0800', '0110', '0130', '0102', '0300', '0600', '1100', '010', '01000', '', '____'])
    assert.equal(refuse(mti, {}).malformed, 0, mti);
  assert.equal(kindOf('0801'), 'network_management');
});

test('which way money goes, by the first two digits of field 3', () => {
  const direction = (processingCode: string) => read('0200', { 3: processingCode }).direction;
  for (const code of ['000000', '010000', '093000', '190000']) assert.equal(direction(code), 'debit', code);
  for (const code of ['200000', '203000', '280000']) assert.equal(direction(code), 'credit', code);
  for (const code of ['310000', '400000', '910000', '00000', '0000000', '00000x'])
    assert.equal(refuse('0200', { 3: code }).malformed, 3, code);
});

test('the card comes from field 2, and from track 2 where that is missing', () => {
  const track = `${PAN}=28121011234500000000`;
  assert.equal(read('0100', { 2: null, 35: track }).pan.reveal(), PAN);
  assert.equal(read('0100', { 2: null, 35: track.replace('=', 'D') }).pan.reveal(), PAN);
  const both = read('0100', { 14: null, 35: `${panOf('another')}=2911101` });
  assert.deepEqual([both.pan.reveal(), both.expiry], [PAN, undefined]);
  assert.equal(read('0100', { 2: null, 14: null, 35: track }).expiry, '2812');
  assert.equal(read('0100', { 2: null, 14: '2901', 35: track }).expiry, '2901');
  assert.equal(read('0100', { 2: null, 14: null, 35: `${PAN}==101` }).expiry, undefined);
  // The check digit is the issuer's business: a number that was never given is an unknown card.
  for (const pan of ['4509170000000', '4509170000000000001', '4509170000000001'])
    assert.equal(read('0100', { 2: pan }).pan.reveal(), pan);
  for (const pan of ['450917000000', '45091700000000000012', '450917000000000x', '450917 00000000'])
    assert.equal(refuse('0100', { 2: pan }).malformed, 2, pan);
  assert.equal(refuse('0100', { 2: null }).malformed, 2);
  for (const broken of ['', '=2812101', '450917000000=2812', `${PAN}2812101`, `%${PAN}=2812`])
    assert.equal(refuse('0100', { 2: null, 35: broken }).malformed, 35, broken);
});

test('amount, currency, time and trace are needed and must make sense', () => {
  const cases: Readonly<Record<number, (string | null)[]>> = {
    3: [null],
    4: [null, '', '0000000000001', '00000000000x', '-00000000001', '0000000012.5'],
    7: [null, '0230120000', '1120250000', '112012000'],
    11: [null, '00002', '0000002', '00000x'],
    14: ['2813', '2800', '281', '28122', 'xx12'],
    18: ['541', '541x'],
    32: ['4000x1', '123456789012'],
    49: [null, '000', '999', 'XYZ', '60'],
  };
  for (const [field, values] of Object.entries(cases))
    for (const value of values) {
      const { malformed, reason } = refuse('0100', { [Number(field)]: value });
      assert.equal(malformed, Number(field), `${field}: ${value}`);
      assert.match(reason, new RegExp(`[Ff]ield ${field}\\b`));
    }
  assert.equal(read('0100', { 4: '999999999999' }).amountMinor, 999_999_999_999);
  assert.equal(read('0100', { 4: '000000000000' }).amountMinor, 0);
  assert.equal(read('0100', { 49: 'PEN' }).currency, 'PEN');
  assert.equal(read('0100', { 49: '840' }).currency, 'USD');
});

test('control characters: spaces in what says who the acceptor is, none in what is compared', () => {
  const { merchant } = read('0100', {
    41: 'TERM\u00001\u0000\u0000',
    42: 'SHOP\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000',
    43: 'MERCADO\nCENTRAL        LIMA\u0000        LIPE',
  });
  assert.deepEqual(
    [merchant.terminal, merchant.id, merchant.name, merchant.country],
    ['TERM 1', 'SHOP', 'MERCADO CENTRAL', 'PE'],
  );
  for (const [field, value] of [
    [37, '63251200\u00000002'],
    [38, '12\u0000456'],
    [39, '0\u0000'],
  ] as const)
    assert.equal(refuse('0120', { 39: '00', [field]: value }).malformed, field);
});

test('when several fields are wrong, the first is named', () => {
  assert.equal(refuse('0100', { 4: null, 7: 'x', 49: '999' }).malformed, 4);
  assert.equal(refuse('0100', { 2: '1', 49: '999' }).malformed, 2);
});

test('the year of field 7 is the nearest one, also at its turn', () => {
  const at = (field7: string, now: string) => {
    const it = fromMessage(message('0100', { 7: field7 }), new Date(now));
    return isMalformed(it) ? it.malformed : it.transmittedAt.toISOString();
  };
  assert.equal(at('1231235959', '2027-01-01T00:00:01Z'), '2026-12-31T23:59:59.000Z');
  assert.equal(at('0101000001', '2026-12-31T23:59:59Z'), '2027-01-01T00:00:01.000Z');
  assert.equal(at('0229000000', '2027-02-28T23:59:59Z'), 7);
});

test('what a message may leave out', () => {
  const gone = [14, 18, 32, 37, 41, 42, 43].map((field) => [field, null]);
  const bare = read('0100', Object.fromEntries(gone));
  assert.deepEqual([bare.expiry, bare.acquirer, bare.rrn], [undefined, '', '']);
  assert.deepEqual(bare.merchant, { mcc: '', name: '', id: '', terminal: '', country: '' });
  const blank = read('0100', { 37: ' '.repeat(12), 38: ' '.repeat(6), 41: ' '.repeat(8) });
  assert.deepEqual([blank.rrn, blank.approvalCode, blank.merchant.terminal], ['', undefined, '']);
});

test('acquirers with and without leading zeros are one', () => {
  for (const acquirer of ['400001', '0400001', '00000400001'])
    assert.equal(read('0100', { 32: acquirer }).acquirer, '400001');
  assert.equal(read('0100', { 32: '000' }).acquirer, '');
});

test('the country is the end of field 43, or else the number in field 19', () => {
  const country = (place: string | null, number: string | null) =>
    read('0100', { 43: place, 19: number }).merchant.country;
  const place = (end: string) => 'TIENDA'.padEnd(38) + end;
  assert.equal(country(place('CL'), '604'), 'CL');
  assert.equal(country(place('cl'), null), 'CL');
  assert.equal(country(place('  '), '604'), 'PE');
  assert.equal(country(place('00'), '604'), 'PE');
  assert.equal(country('SHORT PE', null), '');
  assert.equal(country(null, '999'), '');
});

test('a reversal names its original by field 90, or by fields 37 and 38', () => {
  const original = { kind: 'authorisation', stan: '000001', transmission: '1120115900', acquirer: '400001' };
  for (const mti of ['0400', '0401', '0420', '0421']) {
    assert.deepEqual(read(mti, { 90: ORIGINAL }).original, original);
    assert.equal(read(mti, { 38: 'A1B2C3' }).original, undefined);
    assert.equal(refuse(mti, {}).malformed, 90);
    assert.equal(refuse(mti, { 37: null, 38: 'A1B2C3' }).malformed, 90);
    assert.equal(refuse(mti, { 90: ORIGINAL.slice(0, 30) }).malformed, 90);
    assert.equal(refuse(mti, { 90: '0999' + ORIGINAL.slice(4) }).malformed, 90);
    assert.equal(read(mti, { 38: 'A1B2C3', 90: '0'.repeat(42) }).original, undefined);
  }
  assert.equal(read('0400', { 90: '0201' + ORIGINAL.slice(4) }).original?.kind, 'financial');
  // An acquirer that the original's data leave out is the reversal's own.
  const without = ORIGINAL.slice(0, 20) + '0'.repeat(22);
  assert.equal(read('0400', { 90: without }).original?.acquirer, '400001');
  assert.equal(read('0400', { 90: without, 32: null }).original?.acquirer, '');
  // An authorisation may carry them, and need not.
  assert.equal(read('0100', {}).original, undefined);
  assert.deepEqual(read('0220', { 90: ORIGINAL }).original, original);
});

test('a partial reversal says what stays of the amount, never more than there was', () => {
  const left = (amount: string) =>
    read('0400', { 90: ORIGINAL, 95: amount + '0'.repeat(30) }).replacementMinor;
  assert.equal(left('000000002550'), 2550);
  assert.equal(left('000000012550'), 12550);
  assert.equal(left('000000000000'), 0);
  assert.equal(read('0400', { 90: ORIGINAL }).replacementMinor, undefined);
  assert.equal(read('0400', { 90: ORIGINAL, 95: ' '.repeat(42) }).replacementMinor, undefined);
  for (const field of ['000000012551' + '0'.repeat(30), '00000000255', 'D00000002550' + '0'.repeat(30)])
    assert.equal(refuse('0400', { 90: ORIGINAL, 95: field }).malformed, 95);
});

test('an advice says what was answered where it was decided', () => {
  const advice = read('0120', { 38: 'A1B2C3', 39: '00' });
  assert.deepEqual([advice.approvalCode, advice.advisedCode], ['A1B2C3', '00']);
  assert.equal(read('0120').advisedCode, undefined);
});

test('PIN blocks, tracks and chip data are seen and not kept; the card number does not print', () => {
  const secrets = {
    35: `${PAN}=28121011234500000000`,
    52: '0123456789ABCDEF',
    55: '9F2608A1B2C3D4E5F60718',
  };
  const request = read('0100', secrets);
  assert.deepEqual([request.hasPin, request.hasChip], [true, true]);
  const printed = inspect(request, { depth: null }) + JSON.stringify(request);
  for (const secret of [PAN, secrets[52], secrets[55], '1011234500000000'])
    assert.ok(!printed.includes(secret), secret);
});

test('a reason never holds a value of the message', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(2, 3, 4, 7, 11, 14, 18, 32, 35, 49, 90, 95),
      fc.stringMatching(/^[a-z]{4,20}$/),
      (field, value) => {
        const changes: Record<number, string | null> = { [field]: value };
        if (field === 35) changes[2] = null;
        assert.ok(!refuse('0400', { 90: ORIGINAL, ...changes }).reason.includes(value));
      },
    ),
    runs(200),
  ));

test('anything at all is either read or refused, and never throws', () =>
  fc.assert(
    fc.property(
      fc.constantFrom('0100', '0120', '0200', '0220', '0400', '0420', '0800', '9999', ''),
      fc.dictionary(
        fc.constantFrom(
          ...['2', '3', '4', '7', '11', '14', '18', '19', '32', '35', '37', '43', '49', '90', '95'],
        ),
        fc.string({ unit: 'binary', maxLength: 45 }),
      ),
      (mti, changes) => {
        const it = fromMessage(message(mti, changes), NOW);
        if (isMalformed(it)) assert.ok(it.malformed >= 0 && it.reason.length > 10);
        else assert.ok(Number.isSafeInteger(it.amountMinor) && !Number.isNaN(it.transmittedAt.getTime()));
      },
    ),
    runs(1000),
  ));
