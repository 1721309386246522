import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyState } from '#services/migrations/oracle/state.ts';
import { validatePortfolio } from '#services/migrations/portfolio-rehearsal.ts';
import { samplePortfolio, type SampleOptions } from '#services/migrations/sample/sample-portfolio.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { migrate, type Migrated } from '#tools/testing/migrate.ts';
import { assertAsJudged, judge } from '#tools/testing/play.ts';
import { seed } from '#tools/testing/seed.ts';
import { storedRows } from '#tools/testing/tables.ts';

/** Mock files and validations do everything on a trial: nothing stays, and everything is told. */
const sample = (choice: Partial<SampleOptions>) =>
  Buffer.concat([
    ...samplePortfolio({
      tenant: 'andina',
      environment: 'production',
      seed,
      cards: 60,
      faults: 90,
      kind: 'full',
      holdsPercent: 40,
      tokensPercent: 40,
      changedPercent: 60,
      ...choice,
    }),
  ]);

/** What the services hold; the migrations service keeps the report of a mock, and nothing else of it. */
const SERVICES = ['cards', 'cardholders', 'ledger', 'cell'];

async function foretell(cell: TestCell, csv: Buffer) {
  const lines = new Map<number, string>();
  const foretold = await validatePortfolio(cell, await cell.send(csv), {
    onResults(text) {
      for (const line of text.toString().trimEnd().split('\n')) lines.set(Number(line.split(',')[1]), line);
    },
  });
  return { foretold, lines: [...lines].sort(([a], [b]) => a - b).map(([, line]) => line) };
}

/** What a migration has in common with its prediction. */
const foretellable = ({ report }: Migrated) => {
  const { rows, outcomes, by_type, rejections, invalid_fields, posted, held } = report;
  return { rows, outcomes, by_type, rejections, invalid_fields, posted, held };
};

const asLines = ({ lines }: Migrated) =>
  lines.map((each) =>
    [
      'R',
      each.line,
      each.recordType,
      each.externalId,
      each.outcome,
      each.code,
      /[",]/.test(each.detail) ? `"${each.detail}"` : each.detail,
      each.cardId,
      each.cardholderId,
      each.accountId,
    ].join(','),
  );

for (const [name, chunkLines] of [
  ['one chunk', 4096],
  ['many chunks', 9],
] as const)
  test(`validate and mock tell exactly what start then does and store nothing: ${name} (SEED=${seed})`, async (t) => {
    const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: chunkLines } });
    const state = emptyState();
    for (const choice of [{}, { kind: 'delta' }, { kind: 'delta', sequence: 3 }] as const) {
      const csv = sample(choice);
      const before = await storedRows(cell);
      const { foretold, lines: foretoldLines } = await foretell(cell, csv);
      assert.deepEqual(await storedRows(cell), before, 'a validation stores nothing');

      const mockCsv = Buffer.from(
        csv
          .toString('latin1')
          .replace(/,(full|delta),\d+,/, ',mock,0,')
          .replace(/^H,1,/, `H,1,mock-`),
        'latin1',
      );
      const mock = await migrate(cell, mockCsv);
      assertAsJudged(mock, judge(mockCsv, structuredClone(state)), mockCsv);
      assert.deepEqual(
        await storedRows(cell, SERVICES),
        Object.fromEntries(
          Object.entries(before).filter(([table]) => SERVICES.includes(table.split('.')[0])),
        ),
        'a mock keeps nothing',
      );
      const kept = await storedRows(cell, ['migrations']);
      assert.deepEqual(kept['migrations.claims'], before['migrations.claims']);
      assert.deepEqual(kept['migrations.dead_letters'], []);

      const migrated = await migrate(cell, csv, { workers: 2 });
      assertAsJudged(migrated, judge(csv, state), csv);
      const { rows, outcomes, by_type, rejections, invalid_fields, posted, held } = foretold;
      assert.deepEqual(
        { rows, outcomes, by_type, rejections, invalid_fields, posted, held },
        foretellable(migrated),
      );
      assert.deepEqual(foretellable(mock), foretellable(migrated));
      assert.deepEqual(foretoldLines, asLines(migrated));
      assert.deepEqual(asLines(mock), asLines(migrated));
    }
  });
