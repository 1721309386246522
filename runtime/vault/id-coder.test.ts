import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { BatchCmac } from './cmac.ts';
import { idText, markAsIds } from './derived-ids.ts';
import { IdCoder } from './id-coder.ts';

const key = createSecretKey(Buffer.alloc(32, 7));
const [rrn, approvalCode] = ['123456789012', 'A1B2C3'].map((text) => Buffer.from(text));
const newCoder = () => new IdCoder(new BatchCmac(key), new BatchCmac(key));

/** The same by hand: the code of the message, and in front 4 bytes of the code of its neighbourhood. */
function byHand(neighbourhood: Buffer, message: Buffer): string {
  const codes = new BatchCmac(key);
  codes.add(neighbourhood);
  codes.add(message);
  const both = codes.macs();
  return idText(markAsIds(Buffer.concat([both.subarray(0, 4), both.subarray(20)])), 0);
}

/** Each id comes in the same bytes as the one before it. */
const ofCards = (externalIds: readonly string[]): string[] => {
  const coder = newCoder();
  const source = Buffer.alloc(64);
  externalIds.forEach((id, i) => {
    source.write(id, 1);
    assert.equal(coder.external('card', source, 1, 1 + id.length), i);
  });
  const ids = coder.ids();
  return externalIds.map((_, i) => idText(ids, i * 16));
};

test('an id is the code of its kind and its external id, behind 4 bytes of the code of its neighbourhood', () => {
  const [id] = ofCards(['card-000123']);
  assert.equal(id, byHand(Buffer.from('\xbccard-000', 'latin1'), Buffer.from('Ccard-000123')));
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  assert.deepEqual(ofCards(['7']), [byHand(Buffer.from('\xbc', 'latin1'), Buffer.from('C7'))]);
});

test('the id of a hold is the code of L, card, RRN and approval code, wherever the card id lies', () => {
  const cardIds = Buffer.alloc(48, 1).fill(2, 16, 32);
  const coder = newCoder();
  assert.equal(coder.liveHold(cardIds, 0, rrn, approvalCode), 0);
  assert.equal(coder.liveHold(cardIds, 16, rrn, approvalCode), 1);
  const found = coder.ids();
  for (const [i, card] of [1, 2].entries())
    assert.equal(
      idText(found, i * 16),
      byHand(
        Buffer.from('\xb312345678', 'latin1'),
        Buffer.concat([Buffer.from('L'), Buffer.alloc(16, card), rrn, approvalCode]),
      ),
    );
});

test('the same external id names one thing of each kind', () => {
  const coder = newCoder();
  for (const kind of ['card', 'account', 'cardholder', 'hold', 'token'] as const)
    coder.external(kind, Buffer.from('1'));
  const ids = coder.ids();
  assert.equal(new Set(Array.from({ length: 5 }, (_, i) => idText(ids, i * 16))).size, 5);
});

test('neighbours lie side by side, others apart', () => {
  const [a, b, other] = ofCards(['acct-100000', 'acct-100999', 'acct-101000']).map((id) => id.slice(0, 8));
  assert.equal(a, b);
  assert.notEqual(a, other);
});

test('an id depends on nothing that was added before it, and a coder serves again', () =>
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[ab]{0,5}$/), { maxLength: 30 }), (externalIds) => {
      const alone = externalIds.map((id) => ofCards([id])[0]);
      assert.deepEqual(ofCards(externalIds), alone);
      assert.equal(new Set(alone).size, new Set(externalIds).size);
      const coder = newCoder();
      for (let turn = 0; turn < 2; turn++) {
        for (const id of externalIds) coder.external('card', Buffer.from(id));
        assert.equal(coder.count, externalIds.length);
        const ids = coder.ids();
        assert.deepEqual(
          externalIds.map((_, i) => idText(ids, i * 16)),
          alone,
        );
        assert.equal(coder.count, 0);
      }
    }),
    runs(200),
  ));
