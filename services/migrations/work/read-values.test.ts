import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldsOf } from '../portfolio/test-lines.ts';
import { dayOf, instantOf } from './read-values.ts';

const DAY_MS = 86_400_000;
const day = (text: string) => dayOf(fieldsOf(`C,${text}`), 1);
const instant = (text: string) => instantOf(fieldsOf(`C,${text}`), 1);

/** `Date` itself takes the years 1 to 99 for 1901 to 1999 unless it reads them from ISO text. */
const byDate = (text: string) => Date.parse(`${text}T00:00:00Z`) / DAY_MS;

test('every day from 1970 to 2100 is the day that Date says', () => {
  for (let each = 0; each <= Date.UTC(2100, 11, 31) / DAY_MS; each++) {
    const text = new Date(each * DAY_MS).toISOString().slice(0, 10);
    assert.equal(day(text), each, text);
  }
});

test('the years 1 to 99, centuries, leap years and the year 9999', () => {
  for (let year = 1; year <= 99; year++)
    for (const rest of ['01-01', '02-28', '03-01', '12-31']) {
      const text = `${String(year).padStart(4, '0')}-${rest}`;
      assert.equal(day(text), byDate(text), text);
    }
  for (const text of [
    '0004-02-29',
    '1600-02-29',
    '1900-02-28',
    '1900-03-01',
    '2000-02-29',
    '2400-02-29',
    '9999-12-31',
  ])
    assert.equal(day(text), byDate(text), text);
});

test('any second of the years 1 to 9999 is the second that Date says', () => {
  const range = {
    min: Date.parse('0001-01-01T00:00:00Z') / 1000,
    max: Date.parse('9999-12-31T23:59:59Z') / 1000,
  };
  fc.assert(
    fc.property(fc.integer(range), (second) => {
      const text = `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
      assert.equal(instant(text), second * 1000, text);
    }),
    { numRuns: 2000 },
  );
});
