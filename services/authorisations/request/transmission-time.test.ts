import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { transmissionTime } from './transmission-time.ts';

const read = (field: string, now: string) => transmissionTime(field, new Date(now))?.toISOString() ?? null;
const field7 = (time: Date) => time.toISOString().replace(/\D/g, '').slice(4, 14);

test('the year is the one that brings the time nearest to now', () => {
  assert.equal(read('1120120000', '2026-11-20T12:00:03Z'), '2026-11-20T12:00:00.000Z');
  assert.equal(read('1231235959', '2027-01-01T00:00:00Z'), '2026-12-31T23:59:59.000Z');
  assert.equal(read('0101000000', '2026-12-31T23:59:59Z'), '2027-01-01T00:00:00.000Z');
  assert.equal(read('0101000000', '2026-06-30T00:00:00Z'), '2026-01-01T00:00:00.000Z');
  assert.equal(read('0101000000', '2026-07-04T00:00:00Z'), '2027-01-01T00:00:00.000Z');
  assert.equal(read('1231000000', '2026-06-30T00:00:00Z'), '2025-12-31T00:00:00.000Z');
});

test('29 February is a time where the nearest year has it', () => {
  assert.equal(read('0229120000', '2028-02-29T12:00:05Z'), '2028-02-29T12:00:00.000Z');
  assert.equal(read('0229120000', '2027-10-01T00:00:00Z'), '2028-02-29T12:00:00.000Z');
  assert.equal(read('0229120000', '2026-03-01T00:00:00Z'), null);
  assert.equal(read('0229120000', '2027-03-01T00:00:00Z'), null);
});

test('what is no time is none', () => {
  const now = '2026-11-20T12:00:00Z';
  for (const field of ['0010120000', '1310120000', '1100120000', '1131120000', '0230120000', '0132120000'])
    assert.equal(read(field, now), null, field);
  for (const field of [
    '1120240000',
    '1120126000',
    '1120120060',
    '112012000',
    '11201200000',
    '112012000x',
    '',
  ])
    assert.equal(read(field, now), null, field);
});

test('every second within half a year of now is read back', () =>
  fc.assert(
    fc.property(
      fc.date({ min: new Date('2025-01-01'), max: new Date('2033-01-01'), noInvalidDate: true }),
      fc.integer({ min: -181 * 86_400, max: 181 * 86_400 }),
      (now, secondsOff) => {
        const time = new Date((Math.floor(now.getTime() / 1000) + secondsOff) * 1000);
        assert.equal(transmissionTime(field7(time), now)?.toISOString(), time.toISOString());
      },
    ),
    runs(500),
  ));
