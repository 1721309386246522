import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { integer, path, secretUrl } from '#declare/setting.ts';
import type { Refusal } from '#runtime/refusal.ts';
import { readSettings } from './read-settings.ts';

const declared = {
  WORKERS: integer({ text: 'Workers.', min: 1, max: 64, fallback: 2 }),
  LEASE: integer({ text: 'Seconds.', min: 1, max: 600, fallback: 6 }),
  HOME: path({ text: 'Home.', fallback: '.relevo' }),
  DATABASE: secretUrl({ text: 'Database.' }),
} as const;

const refusalOf = (environment: Record<string, string>): Refusal => {
  try {
    readSettings(declared, environment);
  } catch (error) {
    return error as Refusal;
  }
  throw new Error('these settings were taken');
};

test('without anything set the defaults hold', () => {
  const defaults = { WORKERS: 2, LEASE: 6, HOME: resolve('.relevo'), DATABASE: null };
  assert.deepEqual(readSettings(declared, {}), defaults);
  assert.deepEqual(readSettings(declared, { WORKERS: '', HOME: '', DATABASE: '' }), defaults);
});

test('what is set is read with its type', () => {
  const environment = {
    WORKERS: '64',
    LEASE: '1',
    HOME: 'here/../there',
    DATABASE: 'postgresql://u:p@h/d',
    MORE: 'x',
  };
  assert.deepEqual(readSettings(declared, environment), {
    WORKERS: 64,
    LEASE: 1,
    HOME: resolve('there'),
    DATABASE: 'postgresql://u:p@h/d',
  });
});

test('all problems are told together, in words, and no secret is shown', () => {
  const refusal = refusalOf({ WORKERS: 'many', LEASE: '601', HOME: 'a\0b', DATABASE: 'my secret password' });
  assert.equal(refusal.code, 'bad_settings');
  assert.match(refusal.message, /4 settings need attention/);
  assert.match(refusal.message, /WORKERS {2}"many" is not a whole number from 1 to 64 \(default 2\)/);
  assert.match(refusal.message, /LEASE {2}"601"/);
  assert.match(refusal.message, /HOME/);
  assert.match(refusal.message, /DATABASE {2}\(secret\) is not a URL/);
  assert.doesNotMatch(refusal.message, /my secret password/);
});

for (const value of ['0', '65', '-1', '1.5', ' 2', '2 ', '0x10', '1e1', '٣', 'NaN'])
  test(`"${value}" is no number of workers`, () => {
    assert.match(refusalOf({ WORKERS: value }).message, /1 setting needs attention/);
  });
