import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPENED_MS, drawCards } from './portfolio.ts';
import { Random } from '../lab/random.ts';
import { type Answered, Model } from './model.ts';
import { Purchase } from './purchase.ts';

const [card] = drawCards(3, new Random(3));
const { account } = card;
const stamp = (stan: string) => ({ stan, atMs: OPENED_MS });

/** A purchase of 100 that an advice tells of, and the reversal that leaves 30 of it. */
function advised(names: 'original' | 'hold'): { hold: Answered; reversal: Answered } {
  const purchase = new Purchase(card, { rrn: 'S00000100000', amountMinor: 100 });
  purchase.approval = 'A00001';
  const hold = purchase.ask('0120', stamp('000001'), { 38: 'A00001' });
  const reversal = purchase.reverse('0400', stamp('000002'), { leftMinor: 30, names });
  const approved = { code: '00', approval: undefined };
  return { hold: hold.answered(approved), reversal: reversal.answered(approved) };
}

function heldAfter(answered: readonly Answered[]): number {
  const model = new Model([], OPENED_MS);
  for (const each of answered) model.enter(each);
  return [...model.entries].reduce((sum, [key, entry]) => sum + model.heldOf(key, entry), 0);
}

for (const names of ['original', 'hold'] as const)
  test(`a reversal takes back what it names by its ${names}, whichever is answered first`, () => {
    const { hold, reversal } = advised(names);
    assert.equal(heldAfter([hold]), 100);
    assert.equal(heldAfter([hold, reversal]), 30);
    assert.equal(heldAfter([reversal, hold]), 30);
    assert.equal(heldAfter([reversal, reversal, hold, hold]), 30);
  });

test('holds of the named purchases of an account expire, and no others', () => {
  const model = new Model([card], OPENED_MS);
  const { heldMinor } = model.balanceOf(account);
  model.enter(advised('hold').hold);
  assert.equal(model.balanceOf(account).heldMinor, heldMinor + 100);
  model.expire({ id: 'another account' }, new Set(['S00000100000']));
  model.expire(account, new Set(['S00000200000']));
  assert.equal(model.balanceOf(account).heldMinor, heldMinor + 100);
  model.expire(account, new Set(['S00000100000']));
  assert.equal(model.balanceOf(account).heldMinor, heldMinor);
});

test('what was answered otherwise than it is on record has not happened, and its reversal stays', () => {
  const model = new Model([card], OPENED_MS);
  const { heldMinor } = model.balanceOf(account);
  const purchase = new Purchase(card, { rrn: 'S00000300000', amountMinor: 50 });
  const asked = purchase.ask('0100', stamp('000003'));
  const passedOn = asked.answered({ code: '00', approval: 'EARL01' });
  model.enter(passedOn);
  assert.equal(model.balanceOf(account).heldMinor, heldMinor + 50);
  model.enter(
    purchase
      .reverse('0400', stamp('000004'), { leftMinor: 20, names: 'original' })
      .answered({ code: '00', approval: undefined }),
  );
  model.withdraw(passedOn);
  model.enter(asked.answered({ code: '12', approval: undefined }));
  assert.equal(model.balanceOf(account).heldMinor, heldMinor);
  model.enter(asked.answered({ code: '00', approval: 'OWN001' }));
  assert.equal(model.balanceOf(account).heldMinor, heldMinor + 20);
});
