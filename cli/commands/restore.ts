import { resolve } from 'node:path';
import { Command } from 'commander';
import { pc } from '#cli/colours.ts';
import type { BookCheck } from '#delivery/backup/check-books.ts';
import { type Restored, restoreCell } from '#delivery/backup/restore-cell.ts';
import { parseCellName } from '#delivery/cells/cell-name.ts';
import { TimedSteps } from '#delivery/cells/timed-steps.ts';
import { withContext } from '../context.ts';
import { EXIT } from '../exit.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT } from '../options.ts';
import { count, table } from '../output.ts';
import { showProgress } from '../progress.ts';
import { stepTimes } from '../step-times.ts';

interface Options {
  cell: string;
  drill?: boolean;
  acceptBrokenBooks?: boolean;
  json?: boolean;
}

export function restoreCommand(): Command {
  return new Command('restore')
    .description('makes a cell what a backup says, after every byte and the restored books were checked')
    .argument('<file>', 'what relevo backup has written')
    .requiredOption(...CELL)
    .option('--drill', 'only tries it: restores beside the cell, checks the books and takes all away again')
    .option('--accept-broken-books', 'restores also what did not close when the backup was made')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo restore andina.relevo-backup --cell andina/production --drill
  $ ./relevo restore andina.relevo-backup --cell andina/production

A drill may run while the cell serves. A restore may not: it is refused with cell_in_use, which names who is
connected. What the cell has done since the backup is gone afterwards; the audit trail says where it had come to.
Cut short, it leaves the cell as it was, or restored: run it again. The first case begins anew; the second is
finished. On a new server, copy cells/ of RELEVO_HOME there first.
Exit status: 0 restored, or the drill went well; 1 the books do not close, and the cell is as it was; 2 refused.`,
    )
    .action(restore);
}

async function restore(
  file: string,
  { cell, drill = false, acceptBrokenBooks = false, json = false }: Options,
): Promise<void> {
  const name = parseCellName(cell);
  await withContext(json, async ({ server, settings, out }) => {
    const timed = new TimedSteps();
    const restored = await restoreCell(server, settings.RELEVO_HOME, name, {
      path: resolve(file),
      operator: operatorName(settings),
      drill,
      acceptBrokenBooks,
      timed,
      progress: showProgress(json),
    });
    out.result(documentOf(cell, restored, timed), () => showRestored(cell, restored, timed));
    process.exitCode = restored.outcome === 'unsound' ? EXIT.failed : EXIT.done;
  });
}

const documentOf = (
  cell: string,
  { header, outcome, checks, rows, trailHeadBefore }: Restored,
  timed: TimedSteps,
) => ({
  cell,
  backup: header.id,
  made_at: header.madeAt,
  outcome,
  rows,
  checks: checks.map(({ check, seen, problems }) => ({ check, seen, ok: problems.length === 0, problems })),
  audit_head_before: trailHeadBefore,
  steps: timed.steps,
});

function showRestored(cell: string, restored: Restored, timed: TimedSteps): string {
  const { checks, trailHeadBefore } = restored;
  return [
    sentence(cell, restored),
    ...(checks.length > 0 ? ['', checkTable(checks)] : []),
    '',
    stepTimes(timed.steps),
    ...(restored.outcome === 'restored' && trailHeadBefore
      ? ['', `Before, the audit trail ended with ${trailHeadBefore}`]
      : []),
  ].join('\n');
}

function sentence(cell: string, { outcome, header, rows }: Restored): string {
  const made = `the backup of ${header.madeAt}`;
  switch (outcome) {
    case 'restored':
      return pc.green(`${cell} is what ${made} says: ${count(rows)} rows.`);
    case 'finished':
      return pc.green(
        `${cell} had been restored from ${made} already; what that run left behind is gone now.`,
      );
    case 'drilled':
      return pc.green(
        `${made[0].toUpperCase()}${made.slice(1)} can be restored: ${count(rows)} rows. The cell was not touched.`,
      );
    case 'unsound':
      return pc.red(`The books of ${made} do not close. ${cell} is as it was.`);
  }
}

/** Tables without rows, of which there are many, are one line. */
function checkTable(checks: readonly BookCheck[]): string {
  const isEmpty = ({ check, seen, problems }: BookCheck) =>
    check.startsWith('rows of ') && seen === '0 rows' && problems.length === 0;
  const empty = checks.filter(isEmpty).length;
  const verdict = (problems: readonly string[]) => (problems.length === 0 ? 'right' : pc.red('wrong'));
  return [
    table(
      [{ title: 'checked' }, { title: 'seen', right: true }, { title: '' }],
      [
        ...checks
          .filter((each) => !isEmpty(each))
          .map(({ check, seen, problems }) => [check, seen, verdict(problems)]),
        ...(empty > 0 ? [['tables without rows', `${empty} tables`, 'right']] : []),
      ],
    ),
    ...checks.flatMap(({ problems }) => problems.map((problem) => pc.red(`  ${problem}`))),
  ].join('\n');
}
