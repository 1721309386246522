import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { contentFault, PREFIX_DIGITS, wireLength } from './format.ts';
import { iso87ascii } from './iso87ascii.ts';
import { malformedAnswer } from './malformed-answer.ts';
import { Message } from './message.ts';
import { pack, Unpackable } from './pack.ts';
import { keepable, PRIVATE_FIELDS, SENSITIVE_FIELDS } from './sensitive.ts';
import { Malformed, unpack } from './unpack.ts';

interface Vector {
  readonly mti: string;
  readonly wire: string;
  readonly fields: Readonly<Record<string, string>>;
}
const vectors = JSON.parse(
  readFileSync(new URL('fixtures/jpos-iso87ascii.json', import.meta.url), 'utf8'),
) as Vector[];

const read = (wire: string): Message => unpack(Buffer.from(wire, 'latin1'));
const written = (message: Message): string => pack(message).toString('latin1');
const content = (message: Message): Record<string, string> =>
  Object.fromEntries(message.fields().map((field) => [field, message.get(field)!]));

for (const [i, { mti, wire, fields }] of vectors.entries())
  test(`jPOS message ${i} (${mti}) is read and written to the same bytes`, () => {
    const message = read(wire);
    assert.equal(message.mti, mti);
    assert.deepEqual(content(message), fields);
    assert.equal(written(message), wire);
  });

const purchase = (): Message =>
  new Message('0100')
    .set(2, '4242424242424242')
    .set(3, '000000')
    .set(4, '000000012345')
    .set(7, '1124101500')
    .set(11, '000123')
    .set(37, '000000000123')
    .set(41, 'TERM0001')
    .set(49, '604');

const faultOf = (wire: string): [field: number, reason: string] => {
  try {
    read(wire);
  } catch (error) {
    assert.ok(error instanceof Malformed);
    return [error.field, error.reason];
  }
  return assert.fail('it was read');
};

for (const [what, change, field, reason] of [
  ['no message type', () => '', 0, /four digits/],
  ['letters in the message type', (wire) => `01A0${wire.slice(4)}`, 0, /four digits/],
  ['no bitmap', (wire) => wire.slice(0, 4), 1, /hexadecimal/],
  ['a bitmap that is none', (wire) => `0100${'Z'.repeat(16)}${wire.slice(20)}`, 1, /hexadecimal/],
  ['a second bitmap that is missing', () => '01008000000000000000', 1, /hexadecimal/],
  ['bytes behind the last field', (wire) => `${wire}X`, 129, /behind/],
  ['a last field that is cut short', (wire) => wire.slice(0, -1), 49, /cut short/],
  ['a card number longer than it may be', (wire) => wire.replace('164242', '204242'), 2, /longer than 19/],
  ['a length that is none', (wire) => wire.replace('164242', 'XX4242'), 2, /count its characters/],
  ['letters in an amount', (wire) => wire.replace('000000012345', 'ABCDEFGHIJKL'), 4, /digits/],
] as readonly [string, (wire: string) => string, number, RegExp][])
  test(`${what}: the fault is told with its field`, () => {
    const [found, why] = faultOf(change(written(purchase())));
    assert.equal(found, field);
    assert.match(why, reason);
    assert.doesNotMatch(why, /4242/);
  });

test('the first fault is reported, and what is behind it is still read', () => {
  const wire = written(purchase()).replace('000000012345', 'ABCDEFGHIJKL');
  try {
    read(wire);
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof Malformed);
    assert.equal(error.partial?.get(37), '000000000123');
    const answer = malformedAnswer(error)!;
    assert.deepEqual(
      [answer.mti, answer.get(39), answer.get(11), answer.get(37), answer.has(2), answer.has(4)],
      ['0110', '30', '000123', '000000000123', false, false],
    );
    pack(answer);
  }
});

test('a field that is too long does not hide those behind it', () => {
  const wire = written(purchase()).replace('164242', '2000004242');
  try {
    read(wire);
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof Malformed);
    assert.deepEqual([error.field, error.reason], [2, 'is longer than 19 characters']);
    assert.deepEqual(error.partial?.fields(), [3, 4, 7, 11, 37, 41, 49]);
    assert.equal(malformedAnswer(error)?.get(37), '000000000123');
  }
});

test('what does not say enough of itself is not answered', () => {
  for (const wire of ['', '0100', written(purchase()).slice(0, 40), written(new Message('0110')) + 'X'])
    try {
      read(wire);
      assert.fail();
    } catch (error) {
      assert.ok(error instanceof Malformed);
      assert.equal(malformedAnswer(error), null);
    }
});

for (const [what, message] of [
  ['an amount that is too short', purchase().set(4, '1')],
  ['letters in a number', purchase().set(11, 'ABCDEF')],
  ['a text that is too long', purchase().set(44, 'x'.repeat(26))],
  ['a character that is not of latin1', purchase().set(43, '€'.padEnd(40))],
  ['a message type that is none', new Message('1')],
  ['a bitmap as a field', purchase().set(65, 'Z0')],
] as const)
  test(`${what} is not written`, () => assert.throws(() => pack(message), Unpackable));

test('a message shows nothing of itself, and what is kept of it holds no card data', () => {
  const message = purchase().set(35, '4242424242424242=30121011').set(52, '0123456789ABCDEF').set(48, 'x');
  assert.equal(JSON.stringify({ message }), '{"message":"message 0100"}');
  const kept = keepable(message);
  for (const field of [...SENSITIVE_FIELDS, ...PRIVATE_FIELDS]) assert.equal(kept.get(field), undefined);
  assert.deepEqual(kept.fields(), [3, 4, 7, 11, 37, 41, 49]);
  assert.equal(message.get(52), '0123456789ABCDEF');
  const named = (name: string) => keepable(new Message('0100').set(43, name.padEnd(40))).has(43);
  assert.deepEqual([named('SHOP 12345'), named('SHOP 4242424242424242')], [true, false]);
});

test('lower-case hexadecimal is read, and written in upper case', () => {
  const wire = written(new Message('0100').set(11, '000123').set(52, '0123456789ABCDEF'));
  assert.equal(written(read(wire.toLowerCase())), wire);
});

const characters = fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code));
const digit = fc.integer({ min: 0, max: 9 }).map(String);
const text = (unit: fc.Arbitrary<string>, minLength: number, maxLength: number) =>
  fc.array(unit, { minLength, maxLength }).map((all) => all.join(''));

function valueOf(field: number): fc.Arbitrary<string> {
  const rule = iso87ascii[field]!;
  const length = wireLength(rule);
  switch (rule.kind) {
    case 'digits':
      return text(digit, length, length);
    case 'characters':
      return text(characters, length, length);
    case 'amount':
      return fc
        .tuple(fc.constantFrom('C', 'D'), text(digit, length - 1, length - 1))
        .map((all) => all.join(''));
    case 'bytes':
      return text(fc.constantFrom(...'0123456789ABCDEF'), length, length);
    case 'digits2':
      return text(digit, 0, length);
    case 'track2':
      return fc.tuple(text(digit, 0, 19), text(digit, 0, 17)).map((all) => all.join('='));
    default:
      return text(characters, 0, Math.min(length, 40));
  }
}

const message = fc
  .uniqueArray(fc.integer({ min: 2, max: 128 }), { maxLength: 24 })
  .chain((fields) =>
    fc.tuple(text(digit, 4, 4), fc.constant(fields), fc.tuple(...fields.map((field) => valueOf(field)))),
  )
  .map(([mti, fields, values]) => {
    const made = new Message(mti);
    fields.forEach((field, i) => made.set(field, values[i]));
    return made;
  });

test('what is written is read again, whatever it says', () =>
  fc.assert(
    fc.property(message, (sent) => {
      const got = unpack(pack(sent));
      assert.equal(got.mti, sent.mti);
      assert.deepEqual(content(got), content(sent));
    }),
    runs(500),
  ));

const mutated = fc
  .tuple(
    message,
    fc.array(fc.tuple(fc.nat(2000), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
    fc.nat(2000),
  )
  .map(([sent, changes, cut]) => {
    const bytes = pack(sent);
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return cut < 1000 ? bytes : bytes.subarray(0, cut % bytes.length);
  });

for (const [what, bytes] of [
  ['arbitrary bytes', fc.uint8Array({ maxLength: 300 }).map((all) => Buffer.from(all))],
  ['a message with some bytes changed or cut off', mutated],
] as const)
  test(`${what}: a message with sound fields, or a fault that can be told`, () =>
    fc.assert(
      fc.property(bytes, (sent) => {
        try {
          const got = unpack(sent);
          for (const field of got.fields()) {
            const { kind, length } = iso87ascii[field]!;
            const value = got.get(field)!;
            assert.equal(contentFault(kind, value), null);
            assert.ok(PREFIX_DIGITS[kind] > 0 ? value.length <= length : value.length > 0);
          }
          assert.ok(unpack(pack(got)));
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          const answer = malformedAnswer(error);
          if (answer) pack(answer);
        }
      }),
      runs(1000),
    ));
