import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { judgePortfolio, type LineJudgement } from '../oracle/judge-portfolio.ts';
import { emptyState } from '../oracle/state.ts';
import { C } from './cards.ts';
import { faultKinds } from './faults.ts';
import { samplePortfolio, type SampleOptions } from './sample-portfolio.ts';

const cell = { tenant: 'andina', environment: 'production', today: '2026-11-21' } as const;

type Choice = Partial<SampleOptions>;
const sample = (choice: Choice): Buffer =>
  Buffer.concat([
    ...samplePortfolio({
      tenant: 'andina',
      environment: 'production',
      seed: 7,
      cards: 400,
      kind: 'full',
      ...choice,
    }),
  ]);

const judge = (choice: Choice, state = emptyState()) => judgePortfolio(sample(choice), state, cell);

const verdict = ({ outcome, code, field }: LineJudgement): string =>
  outcome === 'rejected' ? (field === undefined ? `${code}` : `${code} ${field}`) : outcome;

/** The faults a file must show, in file order. Kinds it could not make at their turn may be missing. */
function assertCycles(rejected: LineJudgement[]): void {
  const kinds = faultKinds().map(({ code, field }) => (field === undefined ? code : `${code} ${field}`));
  let turn = 0;
  for (const found of rejected.map(verdict)) {
    assert.ok(kinds.includes(found), found);
    while (kinds[turn % kinds.length] !== found) turn++;
    turn++;
  }
  // Of two rounds, only what cannot be made at the very start of a file is made up for later.
  assert.ok(turn <= rejected.length + 12, `${turn} turns for ${rejected.length} faults`);
}

test('the same options give the same bytes, another seed shares no id and no PAN', () => {
  assert.ok(sample({ faults: 50 }).equals(sample({ faults: 50 })));
  const [one, two] = [7, 8].map((seed) => sample({ seed, cards: 5000 }).toString());
  const keys = (csv: string) => csv.match(/(?<=^C,)[^,]+|(?<=upsert,)\d+|(?:acct|holder)-[\w-]+/gm) ?? [];
  assert.ok(keys(one).length >= 20_000);
  assert.ok(new Set(keys(one)).isDisjointFrom(new Set(keys(two))));
});

test('a full portfolio looks like one', () => {
  const count = 20_000;
  const records: string[][] = parse(sample({ cards: count }), { relax_column_count: true });
  const cards = records.filter(([type]) => type === 'C');
  const share = (counted: number) => counted / count;
  const near = (value: number, wanted: number, by = 0.015) =>
    assert.ok(Math.abs(value - wanted) < by, `${value}`);
  const column = (field: keyof typeof C) => cards.map((card) => card[C[field]]);
  assert.equal(cards.length, count);
  assert.equal(new Set(column('pan')).size, count);
  near(share(column('pin_format').filter((format) => format !== '').length), 0.53);
  near(share(count - new Set(column('external_account_id')).size), 0.05);
  near(share(count - new Set(column('external_cardholder_id')).size), 0.047);
  near(share(column('currency').filter((currency) => currency === 'PEN').length), 0.78);
  near(share(records.filter(([type]) => type === 'O').length), 0.08);
  near(share(records.filter(([type]) => type === 'W').length), 0.06);
  assert.equal(new Set(column('status')).size, 8);
  assert.deepEqual([...new Set(column('pin_format'))].sort(), ['', 'ibm3624', 'iso0', 'iso4']);

  // Lines of one account or holder agree, however far apart they stand.
  const seen = new Map<string, string>();
  for (const card of cards) {
    const account = card.slice(C.external_account_id, C.credit_limit_minor + 1).join('|');
    const holder = card.slice(C.external_cardholder_id, C.embossed_name).join('|');
    for (const [id, fields] of [
      [card[C.external_account_id], account],
      [card[C.external_cardholder_id], holder],
    ]) {
      assert.equal(seen.get(id) ?? fields, fields);
      seen.set(id, fields);
    }
  }
});

test('holds and tokens stand before, among and after the cards', () => {
  const lines = sample({ cards: 2000 }).toString().split('\n').slice(1, -2);
  const lastCard = lines.findLastIndex((line) => line.startsWith('C'));
  const cardAt = new Map(lines.flatMap((line, i) => (line.startsWith('C') ? [[line.split(',')[1], i]] : [])));
  const places = lines.map((line, i) => {
    const [type, , cardId] = line.split(',');
    if (type === 'C') return 'C';
    if (i > lastCard) return 'end';
    return (cardAt.get(cardId) ?? -1) > i ? 'before' : 'after';
  });
  for (const place of ['before', 'after', 'end'] as const) assert.ok(places.includes(place), place);
});

test('every kind of fault occurs in its turn and disturbs no good line', () => {
  const faults = 2 * faultKinds().length;
  const full = judge({ cards: 1000, faults });
  assert.equal(full.refusal, null);
  assert.equal(full.outcomes.rejected, faults);
  assert.equal(full.byType.C.migrated, 1000);
  assertCycles(full.byLine.filter(({ outcome }) => outcome === 'rejected'));
  const codes = new Set(faultKinds().map(({ code }) => code));
  assert.deepEqual(new Set(Object.keys(full.rejections)), codes.difference(new Set(['version_conflict'])));
  const fields = new Set(faultKinds().flatMap(({ field }) => field ?? []));
  assert.deepEqual(new Set(Object.keys(full.invalidFields)), fields);
});

test('a delta after its full file shows every outcome and every code', () => {
  const state = emptyState();
  judge({ cards: 5000 }, state);
  const faults = 2 * faultKinds().length;
  const clean = judge({ cards: 5000, kind: 'delta' }, structuredClone(state));
  assert.deepEqual(Object.keys(clean.rejections), ['stale_version']);
  assert.deepEqual(Object.keys(clean.outcomes).sort(), ['migrated', 'rejected', 'unchanged', 'updated']);
  const delta = judge({ cards: 5000, kind: 'delta', faults }, state);
  assert.equal(delta.outcomes.rejected, clean.outcomes.rejected + faults);
  const codes = new Set(faultKinds().map(({ code }) => code));
  assert.deepEqual(new Set(Object.keys(delta.rejections)), codes);
  assert.equal(delta.byType.C.migrated, clean.byType.C.migrated);
  assert.deepEqual(delta.posted, clean.posted);
});

test('the portfolios of a seed load one after another, whatever their size and faults', () => {
  const choices = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    cards: fc.integer({ min: 1, max: 150 }),
    faults: fc.integer({ min: 0, max: 120 }),
    holdsPercent: fc.integer({ min: 0, max: 100 }),
    tokensPercent: fc.integer({ min: 0, max: 100 }),
    changedPercent: fc.integer({ min: 0, max: 100 }),
  });
  fc.assert(
    fc.property(choices, (choice) => {
      const state = emptyState();
      const mock = judge({ ...choice, kind: 'mock' }, state);
      const full = judge(choice, state);
      assert.deepEqual(mock, full);
      assert.equal(full.refusal, null);
      assert.equal(full.outcomes.rejected ?? 0, choice.faults);
      assert.equal(full.byType.C.migrated, choice.cards);
      for (const sequence of [2, 3]) {
        const clean = judge({ ...choice, kind: 'delta', sequence, faults: 0 }, structuredClone(state));
        const faulty = judge({ ...choice, kind: 'delta', sequence }, state);
        assert.equal(faulty.refusal, null);
        assert.ok(Object.keys(clean.rejections).every((code) => code === 'stale_version'));
        assert.equal(faulty.outcomes.rejected ?? 0, (clean.outcomes.rejected ?? 0) + choice.faults);
        assert.deepEqual(faulty.posted, clean.posted);
        assert.deepEqual(faulty.held, clean.held);
      }
    }),
    { numRuns: 60 },
  );
});
