import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { Census, type CensusOptions, type CensusResult } from './census.ts';
import { GroupTable } from './group-table.ts';
import { LineSet } from './line-set.ts';
import { csv, fieldsOf, goodCard, goodHold, goodToken } from './test-lines.ts';

const tempDirectory = mkdtempSync(join(tmpdir(), 'census-test-'));
after(() => rmSync(tempDirectory, { recursive: true }));

type Row =
  | { kind: 'card' | 'rejectedCard'; values: Partial<typeof goodCard> }
  | { kind: 'hold'; id: string }
  | { kind: 'token'; id: string };

async function census(
  rows: Row[],
  options: Partial<CensusOptions> = {},
): Promise<CensusResult & { spilled: number }> {
  using counted = new Census({ tempDirectory, ...options });
  rows.forEach((row, i) => {
    const line = i + 2;
    if (row.kind === 'hold') counted.hold(fieldsOf(csv({ ...goodHold, external_hold_id: row.id })), line);
    else if (row.kind === 'token')
      counted.token(fieldsOf(csv({ ...goodToken, external_token_ref: row.id })), line);
    else counted[row.kind](fieldsOf(csv({ ...goodCard, ...row.values })), line);
  });
  return { ...(await counted.finish()), spilled: counted.spilledBytes };
}

/** The same by the definition, with everything in memory. */
function model(rows: Row[]): { posted: Map<string, bigint>; entangled: number[] } {
  const entangled = new Set<number>();
  const lines = rows.map((row, i) => ({ row, line: i + 2 }));
  const cards = lines.flatMap(({ row, line }) =>
    row.kind === 'card' || row.kind === 'rejectedCard'
      ? [{ line, accepted: row.kind === 'card', values: { ...goodCard, ...row.values } }]
      : [],
  );
  const accepted = cards.filter((card) => card.accepted);
  const groups = <T>(items: T[], key: (item: T) => string) =>
    Object.values(Object.groupBy(items, key) as Record<string, T[]>);
  const repeats = (items: { line: number; key: string }[]) => {
    for (const group of groups(items, ({ key }) => key)) {
      if (group.length > 1) for (const { line } of group) entangled.add(line);
    }
  };
  const differ = (key: keyof typeof goodCard, facts: (keyof typeof goodCard)[]) => {
    for (const group of groups(accepted, ({ values }) => values[key])) {
      const descriptions = group.map(({ values }) => JSON.stringify(facts.map((fact) => values[fact])));
      if (new Set(descriptions).size > 1) for (const { line } of group) entangled.add(line);
    }
  };
  repeats(accepted.map(({ line, values }) => ({ line, key: values.external_card_id })));
  repeats(accepted.map(({ line, values }) => ({ line, key: values.pan })));
  repeats(lines.flatMap(({ row, line }) => (row.kind === 'hold' ? [{ line, key: row.id }] : [])));
  repeats(lines.flatMap(({ row, line }) => (row.kind === 'token' ? [{ line, key: row.id }] : [])));
  differ('external_account_id', ['account_type', 'currency', 'posted_minor', 'credit_limit_minor']);
  const names = Object.keys(goodCard) as (keyof typeof goodCard)[];
  differ('external_cardholder_id', names.slice(25, 35));
  const posted = new Map<string, bigint>();
  const accounts = new Set<string>();
  for (const { values } of cards) {
    if (accounts.has(values.external_account_id)) continue;
    accounts.add(values.external_account_id);
    posted.set(values.currency, (posted.get(values.currency) ?? 0n) + BigInt(values.posted_minor));
  }
  return {
    posted: new Map([...posted].sort(([a], [b]) => (a < b ? -1 : 1))),
    entangled: [...entangled].sort((a, b) => a - b),
  };
}

const some = (prefix: string, count: number) => fc.nat(count).map((n) => `${prefix}${n}`);
const seldom = (usual: string, ...others: string[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
const cardValues = fc.record({
  external_card_id: some('card-', 200),
  pan: some('45091700000', 200),
  external_account_id: some('acct-', 40),
  account_type: seldom('credit', 'debit', 'prepaid'),
  currency: seldom('PEN', 'USD'),
  posted_minor: seldom('100', '-9007199254740991', '9007199254740991', '0'),
  credit_limit_minor: seldom('0', '1'),
  external_cardholder_id: some('holder-', 40),
  given_names: seldom('Ana', 'Ana,', 'Ana "A"'),
  family_names: seldom('Paz', ',Paz'),
  phone: seldom('', '+1234567'),
  country: seldom('PE', 'AR'),
  embossed_name: some('NAME ', 5),
});
const row: fc.Arbitrary<Row> = fc.oneof(
  { weight: 6, arbitrary: cardValues.map((values): Row => ({ kind: 'card', values })) },
  { weight: 1, arbitrary: cardValues.map((values): Row => ({ kind: 'rejectedCard', values })) },
  { weight: 1, arbitrary: some('id-', 60).map((id): Row => ({ kind: 'hold', id })) },
  { weight: 1, arbitrary: some('id-', 60).map((id): Row => ({ kind: 'token', id })) },
);

test('the census agrees with its definition, with plenty of memory or none', async () => {
  let spills = 0;
  const rows = fc.array(row, { maxLength: 120, size: 'max' });
  const limits = fc.record({
    memoryBytes: fc.constantFrom(0, 10_000, 10_000_000),
    groupsMax: fc.constantFrom(1, 2, 1000),
  });
  await fc.assert(
    fc.asyncProperty(rows, limits, async (lines, options) => {
      const found = await census(lines, options);
      if (found.spilled > 0) spills++;
      const expected = model(lines);
      assert.deepEqual([...found.entangled], expected.entangled);
      assert.deepEqual([...found.posted], [...expected.posted]);
    }),
    { numRuns: 300 },
  );
  assert.ok(spills > 30, 'spilling is exercised');
});

test('thousands of lines, more than one batch of fingerprints and many pages per bucket', async () => {
  const [rows] = fc.sample(fc.array(row, { minLength: 5_000, maxLength: 5_000, size: 'max' }), {
    numRuns: 1,
    seed: 7,
  });
  const distinct = rows.map((line, i): Row => {
    if (line.kind === 'hold' || line.kind === 'token') return line;
    if (i % 5 === 0) return line;
    const own = {
      external_card_id: `own-${i}`,
      pan: `51051${i}`,
      external_account_id: `own-${i}`,
      external_cardholder_id: `own-${i}`,
    };
    return { kind: line.kind, values: { ...line.values, ...own } };
  });
  const expected = model(distinct);
  for (const options of [{}, { memoryBytes: 0 }, { memoryBytes: 50_000, groupsMax: 10 }]) {
    const found = await census(distinct, options);
    assert.deepEqual([...found.entangled], expected.entangled);
    assert.deepEqual([...found.posted], [...expected.posted]);
  }
  assert.ok(expected.entangled.length > 500 && expected.entangled.length < 4_000);
});

test('text that moves from one field to the next is another description', async () => {
  const names = (given_names: string, family_names: string): Row => ({
    kind: 'card',
    values: { external_card_id: given_names, pan: given_names, given_names, family_names },
  });
  const { entangled } = await census([names('ab', 'c'), names('a', 'bc')]);
  assert.deepEqual([...entangled], [2, 3]);
});

test('when too many lines are entangled there is no list of them', async () => {
  const same: Row[] = Array.from({ length: 10 }, () => ({ kind: 'hold', id: 'x' }));
  assert.equal((await census(same, { entangledMax: 9 })).entangled, 'all');
  assert.equal((await census(same, { entangledMax: 10 })).entangled.length, 10);
});

test('nothing is left behind, whether the census ends or is given up', async () => {
  await census([{ kind: 'hold', id: 'x' }], { memoryBytes: 0 });
  assert.deepEqual(readdirSync(tempDirectory), []);
  assert.throws(() => {
    using counted = new Census({ tempDirectory, memoryBytes: 0 });
    for (let line = 2; line < 3000; line++) counted.hold(fieldsOf(csv(goodHold)), line);
    assert.ok(counted.spilledBytes > 0);
    throw new Error('the stream broke');
  }, /the stream broke/);
  assert.deepEqual(readdirSync(tempDirectory), []);
});

test('the group table keeps fingerprints apart through collisions and growth', () => {
  const table = new GroupTable({ words: 1, numbers: 1 });
  const groups = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const [low, high] = [i % 5_000, i % 50]; // few values of the half that chooses the slot
    const known = table.count;
    const group = table.group(low, high);
    const key = `${low},${high}`;
    if (!groups.has(key)) {
      assert.equal(group, known);
      groups.set(key, group);
      table.words[0][group] = i;
      table.numbers[0][group] = -i;
    } else {
      assert.equal(group, groups.get(key));
      assert.equal(table.numbers[0][group], -table.words[0][group]);
    }
  }
  assert.equal(table.count, 5_000);
  table.clear();
  assert.equal(table.group(1, 1), 0);
});

test('a line set gives its lines once, in rising order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100_000 })), (lines) => {
      const set = new LineSet();
      for (const line of lines) set.add(line);
      const expected = [...new Set(lines)].sort((a, b) => a - b);
      assert.equal(set.size, expected.length);
      assert.deepEqual([...set.toArray()], expected);
    }),
  );
});
