import assert from 'node:assert/strict';
import { judgePortfolio, type Judgement } from '#services/migrations/oracle/judge-portfolio.ts';
import { emptyState, type OracleState } from '#services/migrations/oracle/state.ts';
import { assertLedgerLaws, assertStored } from './books.ts';
import type { TestCell } from './cell.ts';
import { migrate, type Migrated, type MigrateOptions, type ResultLine } from './migrate.ts';
import { readScript } from './script.ts';

let plays = 0;

/**
 * Plays a script (see `script.ts`) through the whole pipeline, file after file, and holds every line against
 * the script, against the oracle and against its place in the result file. Books must close.
 */
export async function play(cell: TestCell, script: string, options: MigrateOptions = {}): Promise<void> {
  await playThrough(cell, script, options);
}

/** As `play`, and answers what became of each file. */
export async function playThrough(
  cell: TestCell,
  script: string,
  options: MigrateOptions = {},
): Promise<Migrated[]> {
  const state = emptyState();
  const played: Migrated[] = [];
  for (const file of readScript(script, `p${++plays}`)) {
    const migrated = await migrate(cell, file.csv, options);
    assert.equal(migrated.report.refusal?.code ?? null, file.refusal, migrated.report.refusal?.message);
    const judgement = judge(file.csv, state);
    assertAsJudged(migrated, judgement, file.csv);
    if (file.refusal === null) {
      const verdicts = judgement.byLine.map(({ outcome, code, field }) =>
        [code ?? outcome, field].filter(Boolean).join(' '),
      );
      const told = (all: readonly string[]) => all.map((verdict, i) => `${file.told[i]} => ${verdict}`);
      assert.deepEqual(told(verdicts), told(file.expected));
    }
    played.push(migrated);
  }
  return played;
}

/** Plays a script without verdicts of its own: the oracle alone says what has to become of it and stay stored. */
export async function playAsJudged(
  cell: TestCell,
  script: string,
  options: MigrateOptions = {},
): Promise<void> {
  const state = emptyState();
  const prefix = `p${++plays}`;
  for (const { csv } of readScript(script, prefix))
    assertAsJudged(await migrate(cell, csv, options), judge(csv, state), csv);
  await assertStored(cell, state, prefix);
  await assertLedgerLaws(cell);
}

/** What the contract says of a file of the cell `andina/production`, by its second, naive reading. */
export const judge = (csv: string | Buffer, state: OracleState): Judgement =>
  judgePortfolio(Buffer.from(csv), state, {
    tenant: 'andina',
    environment: 'production',
    today: new Date().toISOString().slice(0, 10),
  });

type Ended = Pick<ResultLine, 'line' | 'recordType' | 'externalId' | 'outcome'>;

/** Holds what became of a file against the oracle, line by line and sum by sum. */
export function assertAsJudged({ report, lines }: Migrated, judged: Judgement, csv: string | Buffer): void {
  assert.equal(report.refusal?.code ?? null, judged.refusal?.code ?? null);
  if (judged.refusal !== null) return;
  assert.equal(report.state, 'completed');
  assert.equal(report.reconciled, true, `the books close: ${JSON.stringify(report)}`);
  const texts = csv.toString('latin1').split(/\r?\n/);
  const asLine = (each: Ended, why: string) => {
    // Of a line that was cut wrongly the id may be told or not.
    const id = why === 'wrong_field_count' ? '' : each.externalId;
    return `${each.line} ${each.recordType} ${id} ${each.outcome} ${why} | ${texts[each.line - 1]}`;
  };
  assert.deepEqual(
    lines.map((each) => asLine(each, reasonOf(each))),
    judged.byLine.map((each) => asLine(each, [each.code, each.field].filter(Boolean).join(' '))),
  );
  assert.deepEqual(report.outcomes, judged.outcomes);
  assert.deepEqual(report.by_type, judged.byType);
  assert.deepEqual(report.rejections, judged.rejections);
  assert.deepEqual(report.invalid_fields, judged.invalidFields);
  const bothSides = (sums: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(sums).map(([currency, minor]) => [currency, { file: minor, ledger: minor }]),
    );
  assert.deepEqual(report.posted, bothSides(judged.posted));
  assert.deepEqual(report.held, bothSides(judged.held));
}

/** The detail of an invalid field begins with its name. */
const reasonOf = ({ code, detail }: { code: string; detail: string }): string =>
  code === 'invalid_field' ? `${code} ${detail.split(' ')[0]}` : code;
