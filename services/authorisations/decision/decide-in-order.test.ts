import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import type { Controls } from '../controls/controls.ts';
import { limitsOf } from '../controls/limits.ts';
import type { AuthorisationRequest } from '../request/request.ts';
import { judgeBeforeFunds } from './decide.ts';
import { judgeInOrder } from './decide-in-order.ts';
import { aCard, aRequest, NOW } from './test-facts.ts';
import { dayOf, monthOf, NO_USAGE, type Usage, usageAfter, usageAfterReversal } from './usage.ts';

const card = aCard();

const judged = (
  requests: readonly Partial<AuthorisationRequest>[],
  controls: Controls,
  draft: Controls | null = null,
  usage: Usage | null = null,
) => {
  const messages = requests.map((changes) => ({
    request: aRequest(changes),
    rules: { limits: limitsOf(controls) },
    draft: draft && { limits: limitsOf(draft) },
  }));
  return judgeInOrder(messages, card, usage, NOW).map((each) => {
    if (each === 'defer') return each;
    const words = (of: typeof each.judgement) => (of === 'ask_ledger' ? 'ask' : of.reason);
    return each.draft === null ? words(each.judgement) : `${words(each.judgement)}/${words(each.draft)}`;
  });
};

const REVERSAL = { kind: 'reversal' } as const;
const REFUND = { direction: 'credit', processingCode: '200000' } as const;

test('without limits in reach, all messages of a card go on at once', () => {
  assert.deepEqual(judged([{}, {}, REVERSAL, REFUND, {}], {}), ['ask', 'ask', 'ask', 'ask', 'ask']);
  assert.deepEqual(judged([{}, {}, {}], { dailyMinor: 3000, dailyCount: 3 }), ['ask', 'ask', 'ask']);
});

test('what fails only if an earlier one is approved waits for the next batch, and nothing overtakes it', () => {
  assert.deepEqual(judged([{}, {}], { dailyMinor: 1500 }), ['ask', 'defer']);
  assert.deepEqual(judged([{}, {}, { amountMinor: 1 }], { dailyMinor: 1500 }), ['ask', 'defer', 'defer']);
  assert.deepEqual(judged([{}, {}, REFUND, REVERSAL], { dailyCount: 1 }), ['ask', 'defer', 'defer', 'defer']);
});

test('what fails however the earlier ones end is declined at once, deferred ones among them', () => {
  assert.deepEqual(judged([{}, { amountMinor: 2000 }, {}], { singleMinor: 1500 }), [
    'ask',
    'over_single_amount',
    'ask',
  ]);
  assert.deepEqual(judged([{}, {}, { amountMinor: 9000 }], { dailyMinor: 1500 }), [
    'ask',
    'defer',
    'over_daily_amount',
  ]);
});

test('a different reason is a different verdict', () => {
  // Over the count whatever happens; over the amount, which goes before, only if the first is approved.
  const usage = { ...NO_USAGE, day: dayOf(NOW), month: monthOf(NOW), dayCount: 1, monthCount: 1 };
  const controls = { monthlyMinor: 1500, dailyCount: 1 };
  assert.deepEqual(judged([REVERSAL, {}], controls, null, usage), ['ask', 'defer']);
});

test('a reversal may give back what a later one needs', () => {
  const usage = usageAfter(NO_USAGE, { amountMinor: 1000 }, NOW);
  assert.deepEqual(judged([{}], { dailyMinor: 1500 }, null, usage), ['over_daily_amount']);
  assert.deepEqual(judged([REVERSAL, {}], { dailyMinor: 1500 }, null, usage), ['ask', 'defer']);
});

test('a refund neither counts nor waits where nothing waits', () => {
  assert.deepEqual(judged([REFUND, {}, REFUND], { dailyCount: 1 }), ['ask', 'ask', 'ask']);
});

test('a draft is judged beside, and its doubt defers too', () => {
  assert.deepEqual(judged([{}, {}], {}, { singleMinor: 1 }), [
    'ask/over_single_amount',
    'ask/over_single_amount',
  ]);
  assert.deepEqual(judged([{}, {}], {}, { dailyMinor: 1500 }), ['ask/ask', 'defer']);
});

test('an unknown card is unknown every time', () => {
  const messages = [{}, {}].map(() => ({ request: aRequest(), rules: { limits: limitsOf({}) } }));
  const reasons = judgeInOrder(messages, null, null, NOW).map((each) =>
    each === 'defer' || each.judgement === 'ask_ledger' ? each : each.judgement.reason,
  );
  assert.deepEqual(reasons, ['unknown_card', 'unknown_card']);
});

const step = fc.record({
  kind: fc.constantFrom('authorisation' as const, 'authorisation' as const, 'reversal' as const),
  amountMinor: fc.integer({ min: 0, max: 5 }),
  /** What the ledger will say. */
  approved: fc.boolean(),
});
const limit = fc.integer({ min: 0, max: 12 });
const someControls = fc.record(
  { singleMinor: limit, dailyMinor: limit, dailyCount: limit, monthlyMinor: limit, monthlyCount: limit },
  { requiredKeys: [] },
);

test('batch after batch decides exactly as one message after the other would', () =>
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      someControls,
      limit,
      (steps, controls, start) => {
        const rules = { limits: limitsOf(controls) };
        const first = usageAfter(NO_USAGE, { amountMinor: start }, NOW);
        const take = (usage: Usage, { kind, amountMinor }: (typeof steps)[number]): Usage =>
          kind === 'reversal'
            ? usageAfterReversal(usage, { amountMinor, whole: true, approvedAt: NOW }, NOW)
            : usageAfter(usage, { amountMinor }, NOW);

        let usage = first;
        const alone = steps.map((each) => {
          const judgement = judgeBeforeFunds(aRequest(each), card, usage, rules, NOW);
          if (judgement === 'ask_ledger' && each.approved) usage = take(usage, each);
          return judgement;
        });

        let [waiting, batches] = [steps.map((each, i) => ({ each, i })), 0];
        usage = first;
        const together: unknown[] = [];
        while (waiting.length > 0) {
          const messages = waiting.map(({ each }) => ({ request: aRequest(each), rules }));
          const judgements = judgeInOrder(messages, card, usage, NOW);
          assert.notEqual(judgements[0], 'defer', 'every batch gets on');
          for (const [at, { each, i }] of waiting.entries()) {
            const judged = judgements[at];
            if (judged === 'defer') continue;
            together[i] = judged.judgement;
            if (judged.judgement === 'ask_ledger' && each.approved) usage = take(usage, each);
          }
          waiting = waiting.filter((_, at) => judgements[at] === 'defer');
          assert.ok(++batches <= steps.length);
        }
        assert.deepEqual(together, alone);
      },
    ),
    runs(1000),
  ));
