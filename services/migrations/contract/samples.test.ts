import { test } from 'node:test';
import { emptyState } from '#services/migrations/oracle/state.ts';
import { samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';
import { arrangements } from '#tools/testing/arrangements.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { migrate } from '#tools/testing/migrate.ts';
import { assertAsJudged, judge } from '#tools/testing/play.ts';
import { seed } from '#tools/testing/seed.ts';

/** A portfolio with every fault there is and its two deltas, line by line as the oracle says. */
const common = { tenant: 'andina', environment: 'production', cards: 150, faults: 130 } as const;

for (const { name, cell, options } of await arrangements())
  test(`a portfolio and its deltas with faults: ${name} (SEED=${seed})`, async () => {
    const state = emptyState();
    for (const sequence of [1, 2, 3]) {
      const kind = sequence === 1 ? 'full' : 'delta';
      const shares = { holdsPercent: 30, tokensPercent: 30, changedPercent: 40 };
      const csv = Buffer.concat([...samplePortfolio({ ...common, ...shares, seed, kind, sequence })]);
      assertAsJudged(await migrate(cell, csv, options), judge(csv, state), csv);
      await assertLedgerLaws(cell);
    }
  });
