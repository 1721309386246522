import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { runs } from '#tools/testing/seed.ts';
import { fromMessage } from '../request/from-iso8583.ts';
import { isMalformed } from '../request/request.ts';
import { messageRoutes } from '../public.ts';
import { messageTypes } from './message-handlers.ts';
import type { MessageBody } from './schemas.ts';
import { advice, authorisation, NOW, PAN, reversal } from './testing/bodies.ts';
import { toMessage } from './to-message.ts';

const fieldsOf = (message: Message) =>
  Object.fromEntries(message.fields().map((field) => [field, message.get(field)]));

const made = (mti: string, body: object) => toMessage(mti, body as MessageBody);

test('an authorisation says in ISO 8583 what it says in JSON', () => {
  const body = authorisation({
    processing_type: 'cash',
    local_time: '2026-11-20T07:00:00',
    entry_mode: '051',
    pin_block: '0123456789abcdef',
    pin_control: '2001010100000000',
    chip_data: '9f2608',
    card_sequence: '001',
  });
  const message = made('0100', body);
  assert.equal(message.mti, '0100');
  assert.deepEqual(fieldsOf(message), {
    2: PAN,
    3: '010000',
    4: '000000012550',
    7: '1120120000',
    11: '000042',
    12: '070000',
    13: '1120',
    14: '2812',
    18: '5411',
    22: '051',
    23: '001',
    32: '400001',
    37: '632512000042',
    41: 'TERM0001',
    42: 'MERCHANT0000001',
    43: 'BODEGA EL SOL          LIMA           PE',
    49: '604',
    52: '0123456789ABCDEF',
    53: '2001010100000000',
    55: '9F2608',
  });
});

test('a reversal names its original and what stays', () => {
  const message = made('0400', reversal({ replacement_minor: '5000' }));
  assert.equal(message.get(90), '0100' + '000041' + '1120115900' + '0'.repeat(22));
  assert.equal(message.get(95), '000000005000' + '0'.repeat(30));
  assert.equal(message.has(43), false);
});

test('an advice brings its approval code and what was answered', () => {
  const message = made('0220', advice({ response_code: '00', approval_code: 'A12' }));
  assert.deepEqual([message.get(38), message.get(39)], ['A12   ', '00']);
});

interface FieldSchema {
  readonly pattern?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly type?: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
}

const aTime = fc
  .integer({ min: Math.floor(NOW / 1000) - 180 * 86_400, max: Math.floor(NOW / 1000) + 180 * 86_400 })
  .map((second) => new Date(second * 1000).toISOString().replace('.000Z', 'Z'));

/** Whatever a schema lets pass. */
function passing(schema: FieldSchema): fc.Arbitrary<unknown> {
  if (schema.properties) {
    const required = [...(schema.required ?? [])];
    const model = Object.fromEntries(
      Object.entries(schema.properties).map(([name, of]) => [name, passing(of)]),
    );
    return fc.record(model, { requiredKeys: required });
  }
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.format === 'utc-second') return aTime;
  if (schema.format === 'local-second') return aTime.map((time) => time.slice(0, -1));
  if (schema.format === 'currency') return fc.constantFrom('PEN', 'USD', 'CLP', 'EUR');
  if (schema.format === 'country') return fc.constantFrom('PE', 'ES', 'US');
  return fc.stringMatching(new RegExp(schema.pattern!, 'u'));
}

for (const { operation, http } of messageRoutes)
  test(`whatever ${http.path} lets pass can be sent on, and is read as it was meant`, () => {
    const mtiOf = messageTypes[operation as keyof typeof messageTypes] as (body: MessageBody) => string;
    fc.assert(
      fc.property(passing(http.body as FieldSchema), (passed) => {
        const body = passed as MessageBody;
        const message = toMessage(mtiOf(body), body);
        const over = unpack(pack(message));
        assert.deepEqual(fieldsOf(over), fieldsOf(message));
        const request = fromMessage(over, new Date(NOW));
        if (isMalformed(request)) {
          // What is wrong between fields is told before it comes to this.
          assert.ok([90, 95].includes(request.malformed), request.reason);
          return;
        }
        assert.equal(request.pan.reveal(), body.card_number);
        assert.equal(String(request.amountMinor), body.amount_minor);
        assert.equal(request.currency, body.currency);
        assert.equal(request.rrn, body.rrn);
        assert.equal(request.direction, body.processing_type === 'refund' ? 'credit' : 'debit');
        assert.equal(request.transmittedAt.toISOString(), body.transmitted_at.replace('Z', '.000Z'));
        if (body.merchant) assert.equal(request.merchant.country, body.merchant.country);
      }),
      runs(300),
    );
  });
