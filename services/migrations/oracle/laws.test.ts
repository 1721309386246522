import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { samplePortfolio } from '../sample/sample-portfolio.ts';
import { judgePortfolio, type Judgement } from './judge-portfolio.ts';
import { splitLines } from './lines.ts';
import { emptyState } from './state.ts';
import { countTotals } from './totals.ts';

const common = { tenant: 'andina', environment: 'production' } as const;

/** A full file and the delta after it, as lines of Latin-1. */
const files = fc
  .record({
    seed: fc.nat(1_000_000),
    cards: fc.integer({ min: 1, max: 80 }),
    faults: fc.integer({ min: 0, max: 100 }),
  })
  .map((choice) =>
    (['full', 'delta'] as const).map((kind) =>
      Buffer.concat([...samplePortfolio({ ...common, ...choice, kind, changedPercent: 50 })])
        .toString('latin1')
        .split('\n')
        .slice(0, -1),
    ),
  );

const judgeBoth = (both: string[][], lineEnd = '\n'): Judgement[] => {
  const state = emptyState();
  return both.map((lines) => {
    const csv = Buffer.from(lines.join(lineEnd) + lineEnd, 'latin1');
    const judged = judgePortfolio(csv, state, { ...common, today: '2026-11-21' });
    assert.equal(judged.refusal, null);
    return judged;
  });
};

/** Other rows between the same header and the trailer that closes them. */
function withRows(lines: string[], rows: string[]): string[] {
  const totals = countTotals(splitLines(Buffer.from([lines[0], ...rows, ''].join('\n'), 'latin1')));
  return [lines[0], ...rows, `T,${Object.values(totals).join(',')}`];
}

/** Verdicts by line text instead of line number. */
const verdicts = (lines: string[], { byLine }: Judgement): string[] =>
  byLine.map(({ line, outcome, code, field }) => `${outcome} ${code} ${field}: ${lines[line - 1]}`);

test('a rejected line reserves nothing: without the rejected lines the others fare the same', () => {
  fc.assert(
    fc.property(files, (both) => {
      const judged = judgeBoth(both);
      const kept = both.map((lines, i) => {
        const accepted = judged[i].byLine.filter(({ outcome }) => outcome !== 'rejected');
        return withRows(
          lines,
          accepted.map(({ line }) => lines[line - 1]),
        );
      });
      const again = judgeBoth(kept);
      both.forEach((lines, i) => {
        const accepted = verdicts(lines, judged[i]).filter((verdict) => !verdict.startsWith('rejected'));
        assert.deepEqual(verdicts(kept[i], again[i]), accepted);
        assert.deepEqual([again[i].posted, again[i].held], [judged[i].posted, judged[i].held]);
      });
    }),
    { numRuns: 30 },
  );
});

test('holds and tokens fare the same wherever they stand among the cards', () => {
  fc.assert(
    fc.property(files, (both) => {
      const moved = both.map((lines) => {
        const rows = lines.slice(1, -1);
        const isSatellite = (line: string) => line.startsWith('O,') || line.startsWith('W,');
        return withRows(lines, [...rows.filter(isSatellite), ...rows.filter((line) => !isSatellite(line))]);
      });
      const [before, after] = [judgeBoth(both), judgeBoth(moved)];
      both.forEach((lines, i) => {
        assert.deepEqual(verdicts(moved[i], after[i]).sort(), verdicts(lines, before[i]).sort());
      });
    }),
    { numRuns: 30 },
  );
});

test('CRLF and LF say the same', () => {
  fc.assert(
    fc.property(files, (both) => assert.deepEqual(judgeBoth(both, '\r\n'), judgeBoth(both))),
    { numRuns: 30 },
  );
});
