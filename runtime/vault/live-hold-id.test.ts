import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { BatchCmac } from './cmac.ts';
import { idText, markAsIds } from './derived-ids.ts';
import { addLiveHoldId } from './live-hold-id.ts';

const key = createSecretKey(Buffer.alloc(32, 7));
const [rrn, approvalCode] = ['123456789012', 'A1B2C3'].map((text) => Buffer.from(text));

test('the id of a hold is the code of L, card, RRN and approval code, wherever the card id lies', () => {
  const cardIds = Buffer.alloc(48, 1).fill(2, 16, 32);
  const ids = new BatchCmac(key);
  assert.equal(addLiveHoldId(ids, cardIds, 0, rrn, approvalCode), 0);
  assert.equal(addLiveHoldId(ids, cardIds, 16, rrn, approvalCode), 1);
  const found = markAsIds(ids.macs());
  const whole = new BatchCmac(key);
  for (const card of [1, 2])
    whole.add(Buffer.concat([Buffer.from('L'), Buffer.alloc(16, card), rrn, approvalCode]));
  assert.deepEqual(found, markAsIds(whole.macs()));
  assert.match(idText(found, 0), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  assert.notEqual(idText(found, 0), idText(found, 16));
});
