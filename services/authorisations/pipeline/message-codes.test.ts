import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newKey } from '#runtime/vault/seal.ts';
import { Vault, wrapNewKey } from '#runtime/vault/vault.ts';
import { Pan } from '#runtime/vault/pan.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import { approvalCodeOf, MessageCodes } from './message-codes.ts';

const kek = { version: 1, key: newKey() };
const vault = new Vault(
  [kek],
  (['content', 'pan-index', 'ids'] as const).map((purpose) => wrapNewKey(kek, purpose, 1)),
);
const codes = new MessageCodes(vault);

const request: AuthorisationRequest = {
  kind: 'authorisation',
  pan: new Pan('4509170000000009'),
  processingCode: '000000',
  direction: 'debit',
  amountMinor: 100,
  currency: 'PEN',
  transmittedAt: new Date('2026-11-24T10:00:00Z'),
  transmission: '1124100000',
  stan: '000001',
  acquirer: '1234',
  rrn: '000000000001',
  merchant: { mcc: '5411', name: '', id: '', terminal: '', country: 'PE' },
  hasPin: false,
  hasChip: false,
};

const of = (...changes: Partial<AuthorisationRequest>[]) =>
  codes.of(changes.map((change) => ({ ...request, ...change })));

test('a message is recognised by its kind and fields 7, 11, 32 and 37', () => {
  const [first, ...others] = of(
    {},
    { kind: 'financial' },
    { transmission: '1124100001' },
    { stan: '000002' },
    { acquirer: '12345' },
    { rrn: '000000000002' },
  );
  assert.equal(new Set([first, ...others].map(({ key }) => key)).size, 6);
  const [again] = of({ amountMinor: 5, pan: new Pan('4509170000000017'), processingCode: '200000' });
  assert.equal(again.key, first.key);
});

test('its content is fields 2, 3, 4, 49 and 95', () => {
  const all = of(
    {},
    { amountMinor: 101 },
    { pan: new Pan('4509170000000017') },
    { processingCode: '010000' },
    { currency: 'USD' },
    { replacementMinor: 50 },
  );
  assert.equal(new Set(all.map(({ content }) => content)).size, 6);
  const [same] = of({ stan: '000009', expiry: '2908', rrn: 'X' });
  assert.equal(same.content, all[0].content);
});

test('the key of a request tells that of its advice, and a reversal that of its original', () => {
  const original = {
    kind: 'authorisation',
    stan: '000001',
    transmission: '1124100000',
    acquirer: '1234',
  } as const;
  const [asked, advised, reversal] = of(
    {},
    { kind: 'authorisation_advice' },
    { kind: 'reversal', stan: '000007', transmission: '1124100005', original },
  );
  assert.equal(asked.twinKey, advised.key);
  assert.equal(advised.twinKey, asked.key);
  assert.equal(reversal.originalKey, asked.key);
  assert.equal(reversal.originalTwinKey, advised.key);
  assert.equal(codes.keyOf(request), asked.key);
});

test('keys rise with the time of transmission, so that they lie side by side in an index', () => {
  const times = ['0101000000', '0101000001', '0630235959', '1124100000', '1231235959'];
  const keys = of(...times.map((transmission) => ({ transmission }))).map(({ key }) => key);
  assert.deepEqual(keys, keys.toSorted());
});

test('approval codes are six letters and digits, the same for the same message and spread out', () => {
  const keys = of(...Array.from({ length: 2_000 }, (_, i) => ({ stan: String(i).padStart(6, '0') })));
  const approvals = keys.map(({ key }) => approvalCodeOf(key));
  assert.ok(approvals.every((approval) => /^[0-9A-Z]{6}$/.test(approval)));
  assert.ok(new Set(approvals).size > 1_995);
  assert.equal(approvalCodeOf(keys[0].twinKey), approvals[0]);
});

test('a hold is named by card, RRN and approval code', () => {
  const cardId = '11111111-2222-8333-8444-555555555555';
  const hold = { cardId, rrn: '000000000001', approvalCode: 'ABC123' };
  const [first, nothing, same, other] = codes.holdIds([
    hold,
    null,
    { ...hold },
    { ...hold, approvalCode: 'ABC124' },
  ]);
  assert.equal(nothing, null);
  assert.equal(first, same);
  assert.notEqual(first, other);
  assert.deepEqual(codes.holdIds([null, null]), [null, null]);
});
