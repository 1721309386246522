import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seed } from '#tools/testing/seed.ts';
import { sampleCards } from '../portfolio/sample.ts';
import { cardSetOf } from './cards.ts';
import { type Exchange } from './exchange.ts';
import { DEFAULT_MIX, type Mix, parseMix, PLAIN_MIX } from './mix.ts';
import { Story } from './story.ts';

const set = cardSetOf(await sampleCards({ seed: 3, cards: 500 }));
const newStory = (mix: Mix, its = seed) =>
  new Story({ set, mix, seed: its, rrnPrefix: 'TEST', followAfterMs: [100, 1000], hotCards: 10 });

/** The messages of a story in which everything is approved at once, ten milliseconds apart. */
function play(story: Story, messages: number): Exchange[] {
  const sent: Exchange[] = [];
  for (let i = 0; sent.length < messages; i++) {
    const { kind, exchange } = story.next(i * 10);
    if (kind === 'repeat') continue;
    exchange.field7 ||= '1120060000';
    exchange.code = '00';
    exchange.answeredApproval = 'ABC123';
    sent.push(exchange);
    story.answered(exchange, i * 10);
  }
  return sent;
}

const toldBy = (exchanges: Exchange[]) =>
  exchanges.map(({ mti, card, amountMinor, rrn, leftMinor }) => [mti, card.id, amountMinor, rrn, leftMinor]);

test('the same seed tells the same story, another seed another', () => {
  assert.deepEqual(toldBy(play(newStory(DEFAULT_MIX), 500)), toldBy(play(newStory(DEFAULT_MIX), 500)));
  assert.notDeepEqual(
    toldBy(play(newStory(DEFAULT_MIX), 500)),
    toldBy(play(newStory(DEFAULT_MIX, seed + 1), 500)),
  );
});

test('what follows a purchase is about it: card, RRN, approval code, and for a reversal its original', () => {
  const sent = play(newStory({ ...DEFAULT_MIX, earlierHold: 0, refund: 0, reversalFirst: 0 }), 3000);
  const byRrn = Map.groupBy(sent, ({ rrn }) => rrn);
  let follows = 0;
  for (const [purchase, ...rest] of byRrn.values())
    for (const each of rest) {
      follows++;
      assert.equal(each.card, purchase.card);
      assert.equal(each.approvalCode, purchase.approvalCode || 'ABC123');
      if (each.mti === '0400') assert.deepEqual(each.original, purchase.asOriginal());
      else assert.equal(each.mti, '0220');
    }
  assert(follows > 300, `${follows} follow`);
});

test('holds from before are cleared or reversed, each once', () => {
  const sent = play(newStory({ ...DEFAULT_MIX, earlierHold: 0.5 }), 1000);
  const earlier = sent.filter(({ rrn }) => !rrn.startsWith('TEST'));
  assert.equal(earlier.length, set.earlierHolds.length);
  assert.equal(new Set(earlier.map(({ rrn }) => rrn)).size, earlier.length);
});

test('a card number that is nobody’s is well formed and of the same range', () => {
  const known = new Set(set.cards.map(({ pan }) => pan));
  const sent = play(newStory({ ...PLAIN_MIX, unknownCard: 1 }), 200);
  for (const { card } of sent) {
    assert(!known.has(card.pan));
    assert.match(card.pan, /^(45091700|510510)/);
    const sum = [...card.pan].reverse().reduce((total, digit, i) => {
      const value = Number(digit) * (i % 2 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    assert.equal(sum % 10, 0);
  }
});

test('hot cards are few', () => {
  const sent = play(newStory({ ...PLAIN_MIX, hot: 1 }), 300);
  assert.equal(new Set(sent.map(({ card }) => card.id)).size, 10);
});

test('a mix is read by its names; what is no share is refused', () => {
  assert.deepEqual(parseMix('repeat=0.5,wrong_expiry=0'), { ...DEFAULT_MIX, repeat: 0.5, wrongExpiry: 0 });
  assert.deepEqual(parseMix('plain,repeat=0.5'), { ...PLAIN_MIX, repeat: 0.5 });
  assert.deepEqual(parseMix(''), DEFAULT_MIX);
  for (const text of ['repeat', 'repeat=2', 'repeat=-1', 'often=0.1', 'repeat=x'])
    assert.throws(() => parseMix(text), { code: 'bad_mix' });
});
