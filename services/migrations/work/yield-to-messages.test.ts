import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pressure } from '#services/authorisations/service.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { migrate } from '#tools/testing/migrate.ts';
import { assertAsJudged, judge } from '#tools/testing/play.ts';
import { runs, seed } from '#tools/testing/seed.ts';
import { emptyState } from '../oracle/state.ts';
import { samplePortfolio } from '../sample/sample-portfolio.ts';
import { restMs, resting, shareOfTime, Yielding } from './yield-to-messages.ts';

const settings = { RELEVO_YIELD_PERCENT: 30, RELEVO_YIELD_LINES: 16 };
const quiet: Pressure = { messagesPerSecond: 0, p99Ms: null };
const busy: Pressure = { messagesPerSecond: 1000, p99Ms: 6 };

const shares: [what: string, pressure: Pressure, percent: number, share: number][] = [
  ['no messages', quiet, 30, 1],
  ['none any more, answers of a moment ago were slow', { messagesPerSecond: 0, p99Ms: 900 }, 30, 1],
  ['few messages', { messagesPerSecond: 5, p99Ms: 6 }, 30, 0.93],
  ['as many as settings speak of', { messagesPerSecond: 50, p99Ms: 6 }, 30, 0.3],
  ['very many', { messagesPerSecond: 10_000, p99Ms: 24 }, 30, 0.3],
  ['answers twice as slow as they may be', { messagesPerSecond: 1000, p99Ms: 50 }, 30, 0.15],
  ['answers far too slow', { messagesPerSecond: 1000, p99Ms: 4000 }, 30, 0.1],
  ['an operator who does not want to yield', busy, 100, 1],
  ['an operator who wants less than the least', busy, 5, 0.05],
];
for (const [what, pressure, percent, share] of shares)
  test(`share of the time: ${what}`, () =>
    assert.equal(Math.round(shareOfTime(pressure, percent) * 1000) / 1000, share));

test(`whatever the pressure, work goes on, and more of it never gets more time (SEED=${seed})`, () => {
  const pressures = fc.record({
    messagesPerSecond: fc.double({ min: 0, max: 1e6, noNaN: true }),
    p99Ms: fc.option(fc.integer({ min: 0, max: 100_000 })),
  });
  fc.assert(
    fc.property(pressures, fc.integer({ min: 1, max: 100 }), fc.nat(60_000), (pressure, percent, worked) => {
      const share = shareOfTime(pressure, percent);
      assert.ok(share <= 1 && share >= Math.min(0.1, percent / 100));
      const rest = restMs(worked, share);
      assert.ok(rest >= 0 && rest <= 2_000);
      const more = { ...pressure, messagesPerSecond: pressure.messagesPerSecond * 2 };
      assert.ok(shareOfTime(more, percent) <= share + 1e-12);
    }),
    runs(500),
  );
});

/** A clock that moves when somebody sleeps, and tells how long. */
function testClock() {
  const clock = {
    at: 0,
    slept: [] as number[],
    now: () => clock.at,
    async sleep(ms: number) {
      clock.slept.push(Math.round(ms));
      clock.at += ms;
    },
  };
  return clock;
}

const soon = () => new Promise(setImmediate);

test('it asks when somebody wants to know and half a second has gone by, and nobody waits for the answer', async () => {
  const clock = testClock();
  let asked = 0;
  const yielding = new Yielding(async () => (asked++, busy), settings, clock);
  assert.equal(yielding.isNeeded, false, 'not known yet');
  await soon();
  assert.equal(yielding.isNeeded, true);
  clock.at = 499;
  assert.deepEqual([yielding.isNeeded, asked], [true, 1]);
  clock.at = 500;
  assert.deepEqual([yielding.isNeeded, asked], [true, 2]);
});

test('work rests in proportion to what it did, and lines are written a few at a time', async () => {
  const clock = testClock();
  const yielding = new Yielding(async () => busy, settings, clock);
  const strand = yielding.strand();
  clock.at += 30;
  await strand.rest(); // not known yet
  assert.deepEqual([yielding.linesAtOnce(2048), clock.slept], [16, []]);
  clock.at += 30;
  await strand.rest();
  assert.deepEqual([yielding.linesAtOnce(9), clock.slept], [9, [70]]);
  clock.at += 60_000; // a machine that slept: what was known is too old
  await strand.rest();
  assert.deepEqual(clock.slept, [70]);
});

test('what has no way back waits until messages are met', async () => {
  const clock = testClock();
  let pressure = quiet;
  const yielding = new Yielding(async () => pressure, settings, clock);
  const acts: string[] = [];
  const told = () => acts.join();
  yielding.onFirstNeed(() => acts.push('early'));
  void yielding.isNeeded;
  await soon();
  assert.equal(told(), '');
  pressure = busy;
  for (clock.at = 500; clock.at < 2_000; clock.at += 500) {
    void yielding.isNeeded;
    await soon();
    assert.equal(told(), 'early', 'once');
  }
  yielding.onFirstNeed(() => acts.push('late'));
  assert.equal(told(), 'early,late');
});

test('what is older than five seconds says nothing', async () => {
  const clock = testClock();
  let answer = async () => busy;
  const yielding = new Yielding(() => answer(), settings, clock);
  void yielding.isNeeded;
  await soon();
  answer = () => Promise.reject(new Error('the database is away'));
  clock.at = 4_999;
  assert.equal(yielding.isNeeded, true);
  await soon();
  clock.at = 5_000;
  assert.equal(yielding.isNeeded, false);
  assert.equal(yielding.linesAtOnce(2048), 2048);
});

test('whoever reads a stream rests after each piece for what was done with it', async () => {
  const clock = testClock();
  const yielding = new Yielding(async () => busy, settings, clock);
  void yielding.isNeeded;
  await soon();
  const pieces = (async function* () {
    yield* ['a', 'b'];
  })();
  let read = '';
  for await (const piece of resting(yielding, pieces)) {
    read += piece;
    clock.at += 30;
  }
  assert.deepEqual([read, clock.slept], ['ab', [70, 70]]);
});

test(`beside live messages a file is worked in slices, to the same outcomes (SEED=${seed})`, async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 64, RELEVO_YIELD_LINES: 7 } });
  const rows: number[] = [];
  const yielding = new Yielding(async () => busy, { ...settings, RELEVO_YIELD_LINES: 7 });
  void yielding.isNeeded;
  await soon();
  const beside = {
    ...cell,
    yielding,
    clients: {
      ...cell.clients,
      cards: {
        ...cell.clients.cards,
        importCards(input: Parameters<typeof cell.clients.cards.importCards>[0]) {
          rows.push(input.rows.rows);
          return cell.clients.cards.importCards(input);
        },
      },
    },
  };
  const state = emptyState();
  for (const sequence of [1, 2]) {
    const kind = sequence === 1 ? 'full' : 'delta';
    const shares = { holdsPercent: 30, tokensPercent: 30, changedPercent: 40 };
    const common = { tenant: 'andina', environment: 'production', cards: 200, faults: 130 } as const;
    const csv = Buffer.concat([...samplePortfolio({ ...common, ...shares, seed, kind, sequence })]);
    assertAsJudged(await migrate(beside, csv, { workers: 2 }), judge(csv, state), csv);
    await assertLedgerLaws(cell);
  }
  assert.ok(rows.length > 20 && Math.max(...rows) === 7);
});
