import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { limitsOf, type Limits, NO_LIMITS, strictest } from '../controls/limits.ts';
import type { Controls } from '../controls/controls.ts';
import { codeOf, type Reason } from '../request/response-codes.ts';
import type { CardStatus } from './card-view.ts';
import { concludeWithLedger, type LedgerVerdict } from './decide.ts';
import { placeOf, precedence, precedenceTable } from './precedence.ts';
import { aCard, aRequest, aScene, decide, judge, NOW, type Scene } from './test-facts.ts';
import { dayOf, monthOf } from './usage.ts';

/** What makes each reason of the table apply, whatever else does. */
type Fault = (scene: Scene) => Scene;

const withStatus =
  (status: CardStatus): Fault =>
  (scene) => ({ ...scene, card: scene.card && { ...scene.card, status } });
const withControls =
  (controls: Controls): Fault =>
  (scene) => ({
    ...scene,
    rules: { ...scene.rules, limits: strictest(scene.rules.limits, limitsOf(controls)) },
  });
const withSpent = (amountMinor: number, times: number): Fault => {
  const window = { day: dayOf(NOW), month: monthOf(NOW) };
  const spent = { dayCount: times, dayMinor: amountMinor, monthCount: times, monthMinor: amountMinor };
  return (scene) => ({ ...scene, usage: { ...window, ...spent } });
};

const FAULTS: Readonly<Record<string, Fault>> = {
  unknown_card: (scene) => ({ ...scene, card: null }),
  lost: withStatus('lost'),
  stolen: withStatus('stolen'),
  closed: withStatus('closed'),
  blocked: withStatus('blocked'),
  damaged: withStatus('damaged'),
  inactive: withStatus('inactive'),
  // By date, so that it can be together with any status.
  expired: (scene) => ({ ...scene, card: scene.card && { ...scene.card, expiry: '2610' } }),
  expiry_differs: (scene) => ({ ...scene, request: { ...scene.request, expiry: '3001' } }),
  wrong_pin: (scene) => ({ ...scene, rules: { ...scene.rules, security: { pin: 'wrong', chip: 'ok' } } }),
  pin_not_checked: (scene) => ({
    ...scene,
    request: { ...scene.request, hasPin: true },
    rules: { ...scene.rules, uncheckedPin: 'decline' },
  }),
  wrong_chip: (scene) => ({
    ...scene,
    rules: {
      ...scene.rules,
      security: { pin: scene.rules.security?.pin ?? 'not_checked', chip: 'wrong' },
    },
  }),
  wrong_currency: (scene) => ({ ...scene, ledger: 'wrong_currency' }),
  over_single_amount: withControls({ singleMinor: 999 }),
  over_daily_amount: withControls({ dailyMinor: 999 }),
  over_monthly_amount: withControls({ monthlyMinor: 999 }),
  over_daily_count: withControls({ dailyCount: 0 }),
  over_monthly_count: withControls({ monthlyCount: 0 }),
  category_blocked: withControls({ categories: { blocked: ['5411'] } }),
  country_blocked: withControls({ countries: { blocked: ['PE'] } }),
  insufficient_funds: (scene) => ({
    ...scene,
    ledger: scene.ledger === 'moved' ? 'insufficient_funds' : scene.ledger,
  }),
};

const REASONS = precedence.map(({ reason }) => reason).filter((reason) => reason !== 'approved');
const STATUSES: readonly Reason[] = ['lost', 'stolen', 'closed', 'blocked', 'damaged', 'inactive'];
/** A card has one status, and a PIN that was checked is not one that nobody could check. */
const EXCLUSIVE: readonly (readonly Reason[])[] = [STATUSES, ['wrong_pin', 'pin_not_checked']];
const agree = (reasons: readonly Reason[]) =>
  EXCLUSIVE.every((group) => reasons.filter((reason) => group.includes(reason)).length <= 1);

const withFaults = (reasons: readonly Reason[]): Scene =>
  reasons.reduce((scene, reason) => FAULTS[reason](scene), aScene());

test('the table is the documented one', () => {
  assert.deepEqual(
    precedenceTable().map(({ code, reason }) => `${code} ${reason}`),
    [
      '14 unknown_card',
      '41 lost',
      '43 stolen',
      '14 closed',
      '62 blocked',
      '62 damaged',
      '78 inactive',
      '54 expired',
      '54 expiry_differs',
      '55 wrong_pin',
      '86 pin_not_checked',
      '82 wrong_chip',
      '57 wrong_currency',
      '61 over_single_amount',
      '61 over_daily_amount',
      '61 over_monthly_amount',
      '65 over_daily_count',
      '65 over_monthly_count',
      '57 category_blocked',
      '57 country_blocked',
      '51 insufficient_funds',
      '00 approved',
    ],
  );
  assert.deepEqual(REASONS, Object.keys(FAULTS));
});

test('nothing against it: approved, once the ledger has said so', () => {
  assert.equal(judge(aScene()), 'ask_ledger');
  assert.deepEqual(decide(aScene()), { code: '00', reason: 'approved' });
  for (const ledger of ['already', 'covered'] as const)
    assert.equal(decide(aScene({ ledger })).reason, 'approved');
});

for (const [place, reason] of REASONS.entries()) {
  test(`${codeOf(reason)} ${reason}: alone, before all that follow, after all that precede`, () => {
    assert.deepEqual(decide(withFaults([reason])), { code: codeOf(reason), reason });
    for (const after of REASONS.slice(place + 1)) {
      if (!agree([reason, after])) continue;
      assert.equal(decide(withFaults([reason, after])).reason, reason, `before ${after}`);
      assert.equal(decide(withFaults([after, reason])).reason, reason, `before ${after}`);
      assert.equal(decide(withFaults([after])).reason, after);
    }
    for (const before of REASONS.slice(0, place))
      if (agree([reason, before]))
        assert.equal(decide(withFaults([reason, before])).reason, before, `after ${before}`);
  });
}

test('of any reasons together, the one that stands first is answered', () =>
  fc.assert(
    fc.property(
      fc.subarray([...REASONS], { minLength: 1 }).filter(agree),
      fc.infiniteStream(fc.nat()),
      (reasons, draws) => {
        const shuffled = reasons
          .map((reason) => [draws.next().value as number, reason] as const)
          .sort(([a], [b]) => a - b)
          .map(([, reason]) => reason);
        assert.equal(decide(withFaults(shuffled)).reason, reasons[0]);
      },
    ),
    runs(500),
  ));

test('a limit is the last value that is let through', () => {
  const reasonUnder = (controls: Controls, spent = 0, times = 0) =>
    decide(withSpent(spent, times)(withControls(controls)(aScene()))).reason;
  const cases: [Controls, spent: number, times: number, Reason][] = [
    [{ singleMinor: 1000 }, 0, 0, 'approved'],
    [{ singleMinor: 999 }, 0, 0, 'over_single_amount'],
    [{ singleMinor: 0 }, 0, 0, 'over_single_amount'],
    [{ dailyMinor: 1500 }, 500, 1, 'approved'],
    [{ dailyMinor: 1500 }, 501, 1, 'over_daily_amount'],
    [{ monthlyMinor: 1500 }, 500, 1, 'approved'],
    [{ monthlyMinor: 1500 }, 501, 1, 'over_monthly_amount'],
    [{ dailyCount: 3 }, 0, 2, 'approved'],
    [{ dailyCount: 3 }, 0, 3, 'over_daily_count'],
    [{ monthlyCount: 3 }, 0, 2, 'approved'],
    [{ monthlyCount: 3 }, 0, 3, 'over_monthly_count'],
  ];
  for (const [controls, spent, times, reason] of cases)
    assert.equal(reasonUnder(controls, spent, times), reason, JSON.stringify({ controls, spent, times }));
});

test('usage of a day or month that is over counts no longer', () => {
  const controls = { dailyMinor: 1500, monthlyMinor: 2000 };
  const spent = withSpent(1400, 1)(withControls(controls)(aScene()));
  const at = (time: string) => decide({ ...spent, now: new Date(time) }).reason;
  assert.equal(at('2026-11-20T23:59:59.999Z'), 'over_daily_amount');
  assert.equal(at('2026-11-21T00:00:00Z'), 'over_monthly_amount');
  assert.equal(at('2026-11-30T23:59:59.999Z'), 'over_monthly_amount');
  assert.equal(at('2026-12-01T00:00:00Z'), 'approved');
});

test('a card is good to the end of the month of its expiry', () => {
  const reasonAt = (expiry: string, time: string) =>
    decide(aScene({ card: aCard({ expiry }), request: aRequest({ expiry }), now: new Date(time) })).reason;
  assert.equal(reasonAt('2611', '2026-11-30T23:59:59.999Z'), 'approved');
  assert.equal(reasonAt('2611', '2026-12-01T00:00:00Z'), 'expired');
  assert.equal(reasonAt('2612', '2026-12-31T23:59:59.999Z'), 'approved');
  assert.equal(reasonAt('2612', '2027-01-01T00:00:00Z'), 'expired');
  assert.equal(reasonAt('9912', '2026-12-31T00:00:00Z'), 'approved');
  assert.equal(decide(aScene({ card: aCard({ status: 'expired' }) })).reason, 'expired');
});

test('an expiry that is not stated cannot differ', () => {
  assert.equal(decide(aScene({ request: aRequest({ expiry: undefined }) })).reason, 'approved');
  assert.equal(decide(aScene({ request: aRequest({ expiry: '2811' }) })).reason, 'expiry_differs');
});

test('a decline that the currency would go before waits for the ledger, unless the currency is known', () => {
  const over = withControls({ singleMinor: 1 })(aScene());
  assert.deepEqual(judge(over), { code: '61', reason: 'over_single_amount', provisional: true });
  const known = { ...over, card: aCard({ currency: 'PEN' }) };
  assert.deepEqual(judge(known), { code: '61', reason: 'over_single_amount', provisional: false });
  const other = { ...over, card: aCard({ currency: 'USD' }) };
  assert.deepEqual(judge(other), { code: '57', reason: 'wrong_currency', provisional: false });
  assert.deepEqual(judge(aScene({ card: aCard({ status: 'lost' }) })), {
    code: '41',
    reason: 'lost',
    provisional: false,
  });
});

test('what the ledger says of a hold', () => {
  const said: Record<LedgerVerdict, [code: string, reason: string]> = {
    moved: ['00', 'approved'],
    already: ['00', 'approved'],
    covered: ['00', 'approved'],
    insufficient_funds: ['51', 'insufficient_funds'],
    wrong_currency: ['57', 'wrong_currency'],
    unknown_account: ['96', 'unknown_account'],
    no_hold: ['12', 'reversed_ahead'],
    closed: ['12', 'reversed_ahead'],
  };
  const over = judge(withControls({ singleMinor: 1 })(aScene()));
  for (const [verdict, [code, reason]] of Object.entries(said)) {
    const concluded = concludeWithLedger('ask_ledger', verdict as LedgerVerdict);
    assert.deepEqual([concluded.code, concluded.reason], [code, reason], verdict);
    const declined = concludeWithLedger(over, verdict as LedgerVerdict).reason;
    assert.equal(
      declined,
      verdict === 'wrong_currency' ? 'wrong_currency' : 'over_single_amount',
      `a decline stays one when the ledger says ${verdict}`,
    );
  }
});

test('a refund meets no limit, control or lack of funds, but the card and the currency', () => {
  const refund = (reasons: Reason[]) => {
    const scene = withFaults(reasons);
    return decide({
      ...scene,
      request: { ...scene.request, direction: 'credit', processingCode: '200000' },
    }).reason;
  };
  const spending: Reason[] = [
    'over_single_amount',
    'over_daily_amount',
    'over_monthly_amount',
    'over_daily_count',
    'over_monthly_count',
    'category_blocked',
    'country_blocked',
  ];
  assert.equal(refund(spending), 'approved');
  for (const reason of [...STATUSES, 'expired', 'expiry_differs', 'wrong_currency'] as Reason[])
    assert.equal(refund([...spending, reason]), reason);
});

test('advices and reversals tell of what has happened: the ledger enters them whatever the card is', () => {
  const all = REASONS.filter((reason) => !['unknown_card', 'wrong_currency'].includes(reason));
  for (const kind of ['authorisation_advice', 'financial_advice', 'reversal', 'reversal_advice'] as const) {
    for (const reason of all) {
      const scene = withFaults([reason]);
      assert.equal(judge({ ...scene, request: { ...scene.request, kind } }), 'ask_ledger', reason);
    }
    assert.equal(decide(aScene({ request: aRequest({ kind }), card: null })).reason, 'unknown_card');
  }
});

const amount = fc.integer({ min: 0, max: 3000 });
const times = fc.integer({ min: 0, max: 4 });
const mcc = fc.constantFrom('5411', '5933', '5936', '7995', '4829');
const country = fc.constantFrom('PE', 'CL', 'US');
const someOf = (values: fc.Arbitrary<string>) => fc.uniqueArray(values, { minLength: 1, maxLength: 3 });
const lists = (values: fc.Arbitrary<string>) =>
  fc.record({ only: someOf(values), blocked: someOf(values) }, { requiredKeys: [] });
const controls: fc.Arbitrary<Controls> = fc.record(
  {
    singleMinor: amount,
    dailyMinor: amount,
    dailyCount: times,
    monthlyMinor: amount,
    monthlyCount: times,
    categories: lists(fc.oneof(mcc, fc.constantFrom('5933-5937', '0000-9999', '7995-7995'))),
    countries: lists(country),
  },
  { requiredKeys: [] },
);
const scene: fc.Arbitrary<Scene> = fc
  .record({
    status: fc.constantFrom<CardStatus>('active', 'active', 'active', 'blocked', 'lost'),
    amountMinor: amount,
    direction: fc.constantFrom('debit' as const, 'debit' as const, 'credit' as const),
    mcc: fc.oneof(mcc, fc.constant('')),
    country: fc.oneof(country, fc.constant('')),
    spent: amount,
    spentTimes: times,
    ledger: fc.constantFrom<LedgerVerdict>('moved', 'moved', 'insufficient_funds', 'wrong_currency'),
  })
  .map((drawn) =>
    withSpent(
      drawn.spent,
      drawn.spentTimes,
    )(
      aScene({
        card: aCard({ status: drawn.status }),
        request: aRequest({
          amountMinor: drawn.amountMinor,
          direction: drawn.direction,
          merchant: { ...aRequest().merchant, mcc: drawn.mcc, country: drawn.country },
        }),
        ledger: drawn.ledger,
      }),
    ),
  );
const under = (at: Scene, limits: Limits): Scene => ({ ...at, rules: { ...at.rules, limits } });

test('the same facts, the same decision; and a message without limits is never declined for one', () =>
  fc.assert(
    fc.property(scene, controls, (at, set) => {
      const limited = under(at, limitsOf(set));
      assert.deepEqual(decide(limited), decide(structuredLike(limited)));
      const { reason } = decide(under(at, NO_LIMITS));
      assert.ok(!/^over_|_blocked$/.test(reason), reason);
    }),
    runs(500),
  ));

/** The same facts in objects of their own. */
const structuredLike = (at: Scene): Scene => ({
  ...at,
  card: at.card && { ...at.card },
  request: { ...at.request, merchant: { ...at.request.merchant } },
  usage: { ...at.usage },
});

test('tightening controls never turns a decline into an approval, nor brings its reason further down', () =>
  fc.assert(
    fc.property(scene, controls, controls, (at, set, more) => {
      const before = decide(under(at, limitsOf(set)));
      const after = decide(under(at, strictest(limitsOf(set), limitsOf(more))));
      if (before.code !== '00') assert.notEqual(after.code, '00');
      assert.ok(placeOf(after.reason as Reason) <= placeOf(before.reason as Reason));
    }),
    runs(1000),
  ));

test('more usage never turns a decline into an approval', () =>
  fc.assert(
    fc.property(scene, controls, amount, times, (at, set, more, moreTimes) => {
      const limited = under(at, limitsOf(set));
      const { usage } = limited;
      const used = withSpent(usage.dayMinor + more, usage.dayCount + moreTimes)(limited);
      assert.ok(placeOf(decide(used).reason as Reason) <= placeOf(decide(limited).reason as Reason));
    }),
    runs(500),
  ));

test('limits come together in any order, and twice the same is once', () =>
  fc.assert(
    fc.property(scene, controls, controls, controls, (at, a, b, c) => {
      const [x, y, z] = [a, b, c].map(limitsOf);
      const said = decide(under(at, strictest(x, strictest(y, z))));
      assert.deepEqual(decide(under(at, strictest(strictest(z, x), y))), said);
      assert.deepEqual(decide(under(at, strictest(strictest(z, x), strictest(x, y)))), said);
      for (const each of [x, y, z])
        if (decide(under(at, each)).code !== '00') assert.notEqual(said.code, '00');
    }),
    runs(500),
  ));
