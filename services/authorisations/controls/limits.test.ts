import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Limits, limitsOf, NO_LIMITS, permits, portfolioLimits, strictest } from './limits.ts';
import type { Lists } from './controls.ts';

const amounts = ({ categories: _, countries: __, ...rest }: Limits) => rest;

test('of card, product and portfolio the strictest limit holds', () => {
  const card = limitsOf({ singleMinor: 500, dailyCount: 9 });
  const product = limitsOf({ singleMinor: 900, dailyMinor: 4000, dailyCount: 3, monthlyCount: 20 });
  const portfolio = portfolioLimits({ dailyLimitMinor: 5000, monthlyLimitMinor: 30_000 });
  assert.deepEqual(amounts(strictest(portfolio, strictest(card, product))), {
    singleMinor: 500,
    dailyMinor: 4000,
    dailyCount: 3,
    monthlyMinor: 30_000,
    monthlyCount: 20,
  });
  assert.equal(portfolioLimits({ dailyLimitMinor: null, monthlyLimitMinor: null }), NO_LIMITS);
  // Nothing may be spent under a limit of zero, which is a limit like any other.
  assert.equal(strictest(NO_LIMITS, limitsOf({ singleMinor: 0 })).singleMinor, 0);
});

test('categories: single ones, ranges and their ends', () => {
  const allowed = (lists: Lists, mcc: string) => permits(limitsOf({ categories: lists }).categories, mcc);
  const blocked = { blocked: ['7995', '5933-5937'] };
  for (const mcc of ['7995', '5933', '5935', '5937']) assert.equal(allowed(blocked, mcc), false, mcc);
  for (const mcc of ['7994', '7996', '5932', '5938', '']) assert.equal(allowed(blocked, mcc), true, mcc);
  const only = { only: ['5411', '5000-5099'] };
  for (const mcc of ['5411', '5000', '5099']) assert.equal(allowed(only, mcc), true, mcc);
  // A message that does not say where it comes from is on no list.
  for (const mcc of ['5412', '5100', '']) assert.equal(allowed(only, mcc), false, mcc);
  assert.equal(allowed({ only: ['5000-5099'], blocked: ['5033'] }, '5033'), false);
  assert.equal(allowed({ only: ['0000'] }, '0000'), true);
});

test('countries', () => {
  const allowed = (lists: Lists, country: string) =>
    permits(limitsOf({ countries: lists }).countries, country);
  assert.deepEqual(
    ['PE', 'CL', 'US', ''].map((each) => allowed({ only: ['PE', 'CL'] }, each)),
    [true, true, false, false],
  );
  assert.deepEqual(
    ['PE', 'US', ''].map((each) => allowed({ blocked: ['US'] }, each)),
    [true, false, true],
  );
});

test('lists of card and product both hold', () => {
  const card = limitsOf({ countries: { only: ['PE', 'CL'] } });
  const product = limitsOf({ countries: { only: ['CL', 'US'], blocked: ['AR'] } });
  const together = strictest(card, product).countries;
  assert.deepEqual(
    ['PE', 'CL', 'US', 'AR'].filter((country) => permits(together, country)),
    ['CL'],
  );
});
