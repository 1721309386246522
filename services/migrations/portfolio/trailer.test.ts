import assert from 'node:assert/strict';
import { test } from 'node:test';
import { currencies } from './code-lists.ts';
import { formatTotals, parseTotals, TotalsSum } from './totals.ts';
import { compareTotals, differs, readTrailer } from './trailer.ts';
import { csv, fieldsOf, goodTrailer } from './test-lines.ts';

const read = (line: string, isUtf8 = true) => readTrailer(fieldsOf(line), isUtf8);
const readWith = (values: Partial<typeof goodTrailer>) => read(csv({ ...goodTrailer, ...values }));

test('a trailer is read, with sums beyond 2^53', () => {
  const sum = '123456789012345678901234567890';
  const { trailer } = readWith({ card_rows: '5000', posted_totals: `PEN=-${sum};USD=0`, held_totals: '' });
  assert.deepEqual(trailer, {
    cardRows: 5000,
    holdRows: 1,
    tokenRows: 1,
    posted: new Map([
      ['PEN', -BigInt(sum)],
      ['USD', 0n],
    ]),
    held: new Map(),
  });
});

test('what does not follow the rules is no trailer', () => {
  const bad = [
    'PEN',
    'PEN=',
    'PEN=-',
    'PEN=1;',
    ';PEN=1',
    'PEN=1;PEN=2',
    'USD=1;PEN=2',
    'PEN=1,USD=2',
    'pen=1',
  ].concat([
    'PEN=1.0',
    'PEN=+1',
    'PEN= 1',
    'PEN=1 ',
    'XXX=1',
    'PEN:1',
    `PEN=${'1'.repeat(41)}`,
    'PEN=1;;USD=1',
    'PEN=\0',
  ]);
  for (const value of bad) {
    assert.equal(readWith({ posted_totals: value }).refusal?.code, 'missing_trailer', value);
    assert.equal(readWith({ held_totals: value }).refusal?.code, 'missing_trailer', value);
  }
  for (const value of ['', '-1', 'x', '1.5']) {
    assert.equal(readWith({ hold_rows: value }).refusal?.code, 'missing_trailer', value);
  }
  for (const line of [
    '',
    'T',
    `${csv(goodTrailer)},`,
    `${csv(goodTrailer)}"`,
    `C${csv(goodTrailer).slice(1)}`,
  ]) {
    assert.equal(read(line).refusal?.code, 'missing_trailer', line);
  }
  assert.equal(read(csv(goodTrailer), false).refusal?.code, 'missing_trailer');
  assert.match(readWith({ held_totals: 'x' }).refusal?.detail ?? '', /held_totals must be/);
});

const counted = {
  cardRows: 1,
  holdRows: 1,
  tokenRows: 1,
  posted: new Map([['PEN', 100n]]),
  held: new Map([['PEN', 50n]]),
};

test('a trailer that agrees in every figure is no mismatch', () => {
  const { trailer } = readWith({});
  assert.ok(trailer);
  assert.equal(compareTotals(trailer, counted), null);
});

test('every figure is told, sent and counted', () => {
  const { trailer } = readWith({ card_rows: '2', posted_totals: 'PEN=100;USD=0', held_totals: 'EUR=1' });
  assert.ok(trailer);
  const mismatch = compareTotals(trailer, counted);
  assert.equal(mismatch?.code, 'control_totals_mismatch');
  assert.equal(
    mismatch.detail,
    'card_rows: sent 2, counted 1; posted_totals USD: sent 0, counted nothing; ' +
      'held_totals EUR: sent 1, counted nothing; held_totals PEN: sent nothing, counted 50',
  );
  assert.equal(mismatch.figures.length, 7);
  assert.deepEqual(
    mismatch.figures.filter((figure) => !differs(figure)),
    [
      { field: 'hold_rows', currency: null, sent: 1n, counted: 1n },
      { field: 'token_rows', currency: null, sent: 1n, counted: 1n },
      { field: 'posted_totals', currency: 'PEN', sent: 100n, counted: 100n },
    ],
  );
});

test('each figure alone is enough for a mismatch', () => {
  for (const values of [
    { card_rows: '0' },
    { hold_rows: '0' },
    { token_rows: '0' },
    { posted_totals: 'PEN=101' },
    { posted_totals: '' },
    { held_totals: 'PEN=50;USD=0' },
  ]) {
    const { trailer } = readWith(values);
    assert.ok(trailer);
    assert.ok(compareTotals(trailer, counted), JSON.stringify(values));
  }
});

test('sums stay exact beyond 2^53, and zero is not nothing', () => {
  const sum = new TotalsSum();
  const [pen, usd, eur] = ['PEN', 'USD', 'EUR'].map((code) => currencies.indexOf(code));
  for (let i = 0; i < 5; i++) sum.add(usd, Number.MAX_SAFE_INTEGER);
  for (const amount of [7, -3]) sum.add(usd, amount);
  for (let i = 0; i < 3; i++) sum.add(pen, -Number.MAX_SAFE_INTEGER);
  sum.add(eur, 5);
  sum.add(eur, -5);
  assert.equal(formatTotals(sum.totals()), 'EUR=0;PEN=-27021597764222973;USD=45035996273704959');
  assert.deepEqual(parseTotals(formatTotals(sum.totals())), sum.totals());
  assert.equal(formatTotals(new TotalsSum().totals()), '');
});
