import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '#runtime/refusal.ts';
import { controlsWords } from './controls-words.ts';
import { parseControls } from './parse-controls.ts';

const problemsOf = (input: unknown, nameOf?: (path: string) => string): string[] => {
  try {
    parseControls(input, nameOf);
  } catch (error) {
    assert.ok(error instanceof Refusal);
    assert.equal(error.code, 'bad_controls');
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
};

test('controls come out as they are kept: sorted, without doubles, countries as letters', () => {
  assert.deepEqual(
    parseControls({
      singleMinor: 5000,
      dailyMinor: 0,
      dailyCount: 10,
      monthlyMinor: Number.MAX_SAFE_INTEGER,
      monthlyCount: 1_000_000,
      categories: { blocked: ['7995', ' 5933-5937', '7995', '4829-4829'] },
      countries: { only: ['pe', '604', 'CL', 'PE'] },
    }),
    {
      singleMinor: 5000,
      dailyMinor: 0,
      dailyCount: 10,
      monthlyMinor: Number.MAX_SAFE_INTEGER,
      monthlyCount: 1_000_000,
      categories: { blocked: ['4829', '5933-5937', '7995'] },
      countries: { only: ['CL', 'PE'] },
    },
  );
  const both = { categories: { only: ['5000-5999'], blocked: ['5933'] } };
  assert.deepEqual(parseControls(both), both);
});

test('what is absent is not limited', () => {
  assert.deepEqual(parseControls({}), {});
  assert.deepEqual(parseControls({ singleMinor: null, categories: undefined, countries: {} }), {});
});

test('what is kept reads back the same', () => {
  const controls = parseControls({ singleMinor: 1, categories: { only: ['5411', '0000-0999'] } });
  assert.deepEqual(parseControls(JSON.parse(JSON.stringify(controls))), controls);
});

test('all problems are told together', () => {
  const input = {
    singleMinor: 'abc',
    dailyMinor: -1,
    dailyCount: 1.5,
    monthlyMinor: 2 ** 53,
    monthlyCount: 1_000_001,
    categories: { only: ['541', '5937-5933', 7995], blocked: [], never: ['5411'] },
    countries: { only: 'PE', blocked: ['XX', '999', ''] },
    weekly: 5,
  };
  assert.deepEqual(problemsOf(input), [
    'weekly  is no control; there are singleMinor, dailyMinor, dailyCount, monthlyMinor, monthlyCount, categories, countries',
    'singleMinor  "abc" is not a whole number from 0 to 999999999999',
    'dailyMinor  -1 is not a whole number from 0 to 9007199254740991',
    'dailyCount  1.5 is not a whole number from 0 to 1000000',
    'monthlyMinor  9007199254740992 is not a whole number from 0 to 9007199254740991',
    'monthlyCount  1000001 is not a whole number from 0 to 1000000',
    'categories.never  is no control; there are only, blocked',
    'categories.only  "541" is not a merchant category of four digits, or a rising range such as 5933-5937',
    'categories.only  "5937-5933" is not a merchant category of four digits, or a rising range such as 5933-5937',
    'categories.only  7995 is not a merchant category of four digits, or a rising range such as 5933-5937',
    'categories.blocked  is empty; leave it out',
    'countries.only  "PE" is not a list',
    'countries.blocked  "XX" is not a country of ISO 3166-1, such as PE or 604',
    'countries.blocked  "999" is not a country of ISO 3166-1, such as PE or 604',
    'countries.blocked  "" is not a country of ISO 3166-1, such as PE or 604',
  ]);
});

test('a problem is named as it was written, and a long value is cut', () => {
  assert.deepEqual(
    problemsOf({ singleMinor: 'x'.repeat(100) }, (path) => `--${path}`),
    [`--singleMinor  "${'x'.repeat(38)}… is not a whole number from 0 to 999999999999`],
  );
});

test('what is no object at all is one problem', () => {
  for (const input of [null, 'text', 7, [], undefined])
    assert.equal(problemsOf(input).length, 1, JSON.stringify(input));
  assert.deepEqual(problemsOf({ categories: ['7995'] }), [
    'categories  ["7995"] is not an object with only or blocked',
  ]);
});

test('controls in words', () => {
  assert.equal(controlsWords({}), 'no limit');
  assert.equal(
    controlsWords({
      singleMinor: 5000,
      dailyCount: 10,
      monthlyMinor: 90_000,
      categories: { blocked: ['7995', '5933-5937'] },
      countries: { only: ['PE'] },
    }),
    '5,000 a transaction, 10 transactions a day, 90,000 a month, no categories 7995 or 5933-5937, only countries PE',
  );
});
