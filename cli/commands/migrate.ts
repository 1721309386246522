import { copyFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { listCells } from '#delivery/cells/cell-file.ts';
import { cellText, parseCellName } from '#delivery/cells/cell-name.ts';
import { Refusal } from '#runtime/refusal.ts';
import { outcomesOf, sumOfChunks } from '#services/migrations/books/report.ts';
import { resultPath, writeResultFile } from '#services/migrations/books/result-file.ts';
import { cancelMigration } from '#services/migrations/cancel-migration.ts';
import { type MigrationCell, migrationId } from '#services/migrations/migration-cell.ts';
import { pauseMigration } from '#services/migrations/pause-migration.ts';
import { type DeadLetterFilter, listDeadLetters, redrive } from '#services/migrations/redrive.ts';
import { findMigration, listMigrations, type Migration } from '#services/migrations/store.ts';
import { type Context, withContext, withServices } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import { parseMigrationId } from '../migration-id.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count, day, table } from '../output.ts';
import { showProgress } from '../progress.ts';
import { continueMigration, reportNow, runMigration, waitUntilClosed } from '../run-migration.ts';
import { exitStatusOf, showReport } from '../show-report.ts';

interface Json {
  json?: boolean;
}
interface Run extends Json {
  wait?: boolean;
  workers?: number;
}

const workersOption = [
  '--workers <n>',
  'processes that work, this one among them (default: RELEVO_WORKERS)',
  wholeNumber(1, 64),
] as const;

export function migrateCommand(): Command {
  const migrate = new Command('migrate').description('moves portfolios into cells, over their whole life');
  const sub = (name: string, description: string, example: string) =>
    migrate
      .command(name)
      .description(description)
      .option(...JSON_OUTPUT)
      .addHelpText('after', `\nExample:\n  $ ./relevo migrate ${example}`);

  sub(
    'start',
    'verifies a portfolio file and moves it into a cell',
    'start portfolio.csv.gpg --cell andina/production --wait',
  )
    .argument('<file>', 'an OpenPGP message, signed by the tenant and encrypted to the cell')
    .requiredOption(...CELL)
    .option('--wait', 'show progress until the books are closed')
    .option(...workersOption)
    .action(start);
  sub('list', 'lists the migrations of all cells or of one', 'list --cell andina/production')
    .option('--cell <cell>', 'only this cell')
    .action(list);
  sub('status', 'tells how a migration stands', 'status andina-production-1').argument('<id>').action(status);
  sub('watch', 'follows a migration until its books are closed', 'watch andina-production-1')
    .argument('<id>')
    .action(watch);
  sub('pause', "halts a migration at a chunk's edge", 'pause andina-production-1')
    .argument('<id>')
    .action(pause);
  sub('resume', 'goes on with a migration that was paused or cut short', 'resume andina-production-1 --wait')
    .argument('<id>')
    .option('--wait', 'show progress until the books are closed')
    .option(...workersOption)
    .action(resume);
  sub('cancel', 'takes back all that a migration has imported', 'cancel andina-production-1')
    .argument('<id>')
    .action(cancel);
  sub('result', 'gives out the sealed result file', 'result andina-production-1 --out result.csv.gpg')
    .argument('<id>')
    .option('--out <file>', 'where to; without it the place of the sealed file is told')
    .action(result);
  sub('dead-letters', 'lists the lines that wait, and why', 'dead-letters andina-production-1')
    .argument('<id>')
    .option('--code <code>', 'only those of one code')
    .option('--lines <range>', 'only these lines, A-B')
    .action(deadLetters);
  sub('redrive', 'tries dead letters again', 'redrive andina-production-1 --code row_failed --dry-run')
    .argument('<id>')
    .option('--code <code>', 'only those of one code')
    .option('--lines <range>', 'only these lines, A-B')
    .option('--dry-run', 'tell how many, change nothing')
    .option(...workersOption)
    .action(redriveLetters);
  return migrate;
}

/** Runs `work` on the cell and the migration that an id names. */
function withMigration<T>(
  id: string,
  { json = false }: Json,
  work: (cell: MigrationCell, migration: Migration, context: Context) => Promise<T>,
): Promise<T> {
  const { cell: name, importNumber } = parseMigrationId(id);
  return withContext(json, (context) =>
    withServices(context, name, async (cell) => {
      const migration = await findMigration(cell.db, importNumber);
      if (!migration)
        throw new Refusal('unknown_migration', `${name} has no migration ${id}.`, {
          advice: `relevo migrate list --cell ${name} shows those there are.`,
        });
      return work(cell, migration, context);
    }),
  );
}

const runOptions = (
  context: Context,
  cellName: string,
  { wait = false, workers, json = false }: Run,
  signal: AbortSignal,
) => ({
  cellName,
  home: context.settings.RELEVO_HOME,
  operator: operatorName(context.settings),
  wait,
  workers,
  background: true,
  progress: showProgress(json),
  onKnown: (migration: Migration) => context.out.say(knownBefore(migration)),
  signal,
});

/** What is said when a file comes a second time. */
export const knownBefore = ({ startedAt, state }: Migration): string =>
  `This very file was started before (${day(startedAt)}, ${state}); this is that migration:\n`;

async function start(file: string, options: Run & { cell: string }): Promise<void> {
  const signal = onInterrupt();
  const json = options.json ?? false;
  parseCellName(options.cell);
  await withContext(json, (context) =>
    withServices(context, options.cell, async (cell) => {
      const report = await runMigration(
        cell,
        resolve(file),
        runOptions(context, options.cell, options, signal),
      );
      const running = report.state === 'loading' || report.state === 'working';
      context.out.result(report, () =>
        running && !options.wait
          ? `${showReport(report)}\n\n  It goes on in the background. Follow it: ./relevo migrate watch ${report.migration}`
          : showReport(report),
      );
      process.exitCode = running && !options.wait ? 0 : exitStatusOf(report);
    }),
  );
}

interface ListedMigration {
  readonly migration: string;
  readonly cell: string;
  readonly state: string;
  readonly file_id: string | null;
  readonly kind: string | null;
  readonly lines: number;
  readonly refusal: string | null;
  readonly reconciled: boolean | null;
  readonly started_at: Date;
}

async function list({ cell: only, json = false }: Json & { cell?: string }): Promise<void> {
  await withContext(json, async (context) => {
    const names = only
      ? [cellText(parseCellName(only))]
      : (await listCells(context.settings.RELEVO_HOME)).map(cellText);
    const rows: ListedMigration[] = [];
    for (const name of names)
      rows.push(
        ...(await withServices(context, name, async (cell) =>
          (await listMigrations(cell.db)).map((each) => ({
            migration: migrationId(cell, each.importNumber),
            cell: name,
            state: each.paused ? 'paused' : each.state,
            file_id: each.fileId,
            kind: each.kind,
            lines: Object.values(each.rows).reduce((sum, lines) => sum + lines, 0),
            refusal: each.refusalCode,
            reconciled: each.reconciled,
            started_at: each.startedAt,
          })),
        )),
      );
    context.out.result({ migrations: rows }, () =>
      rows.length === 0
        ? 'No migrations yet.'
        : table(
            [
              { title: 'migration' },
              { title: 'state' },
              { title: 'file' },
              { title: 'kind' },
              { title: 'lines', right: true },
              { title: 'started' },
            ],
            rows.map((row) => [
              row.migration,
              row.refusal ? `refused: ${row.refusal}` : row.state,
              row.file_id ?? '',
              row.kind ?? '',
              count(row.lines),
              day(row.started_at),
            ]),
          ),
    );
  });
}

async function status(id: string, options: Json): Promise<void> {
  await withMigration(id, options, async (cell, migration, { out }) => {
    const report = await reportNow(cell, migration);
    out.result(report, () => showReport(report));
  });
}

async function watch(id: string, options: Json): Promise<void> {
  const signal = onInterrupt();
  await withMigration(id, options, async (cell, migration, { out }) => {
    const progress = showProgress(options.json ?? false);
    const report = await waitUntilClosed(cell, migration.importNumber, { progress, signal });
    out.result(report, () => showReport(report));
    process.exitCode = exitStatusOf(report);
  });
}

async function pause(id: string, options: Json): Promise<void> {
  await withMigration(id, options, async (cell, migration, { out, settings }) => {
    const operator = operatorName(settings);
    if (!(await pauseMigration(cell, migration.importNumber, { paused: true, operator })))
      throw new Refusal('not_active', `${id} is ${migration.state}; there is nothing to pause.`);
    out.result(
      { migration: id, state: 'paused' },
      () => `${id} halts at the edge of the chunks in hand. Go on with: ./relevo migrate resume ${id}`,
    );
  });
}

async function resume(id: string, options: Run): Promise<void> {
  const signal = onInterrupt();
  await withMigration(id, options, async (cell, migration, context) => {
    if (migration.state === 'cancelling')
      throw new Refusal('not_active', `${id} is being cancelled.`, {
        advice: `Finish it: relevo migrate cancel ${id}`,
      });
    if (migration.state === 'cancelled' || migration.state === 'refused')
      throw new Refusal('not_active', `${id} was ${migration.state}; there is nothing to go on with.`, {
        advice: 'Send the file again: relevo migrate start',
      });
    const operator = operatorName(context.settings);
    await pauseMigration(cell, migration.importNumber, { paused: false, operator });
    const now = (await findMigration(cell.db, migration.importNumber))!;
    const { cell: name } = parseMigrationId(id);
    const report = await continueMigration(cell, now, runOptions(context, name, options, signal));
    context.out.result(report, () => showReport(report));
    process.exitCode = options.wait || report.state === 'completed' ? exitStatusOf(report) : 0;
  });
}

async function cancel(id: string, options: Json): Promise<void> {
  await withMigration(id, options, async (cell, migration, { out, settings }) => {
    const withdrawn = await cancelMigration(cell, migration.importNumber, operatorName(settings));
    out.result({ migration: id, state: 'cancelled', withdrawn }, () =>
      [
        `${id} is cancelled; all it had imported was taken back:`,
        `  ${Object.entries(withdrawn)
          .map(([what, rows]) => `${count(rows)} ${what}`)
          .join(', ')}`,
        '  The same file, or a mended one, may be sent again.',
      ].join('\n'),
    );
  });
}

async function result(id: string, options: Json & { out?: string }): Promise<void> {
  await withMigration(id, options, async (cell, migration, { out, settings }) => {
    if (migration.state !== 'completed' || !migration.reconciled)
      throw new Refusal('books_open', `${id} has no result file: it is ${migration.state}.`, {
        advice: 'The result file is sealed when the books close.',
      });
    const actor = operatorName(settings);
    await cell.audit.appendEntries([{ actor, action: 'migration.result_given', subject: id }]);
    const sealed = await sealedResult(cell, migration);
    if (options.out) await copyFile(sealed, options.out);
    const path = options.out ?? sealed;
    out.result({ migration: id, result_file: resolve(path) }, () => `${resolve(path)}`);
  });
}

/** Made anew from the recorded outcomes, for a home on another machine has no copy. */
async function sealedResult(cell: MigrationCell, migration: Migration): Promise<string> {
  const sums = await sumOfChunks(cell, migration.importNumber);
  return writeResultFile(
    cell,
    migration,
    {
      outcomes: outcomesOf(sums),
      posted: migration.ledgerPosted,
      held: migration.ledgerHeld,
      closedAt: migration.completedAt!,
    },
    resultPath(cell, migration.importNumber),
  );
}

function filterOf({ code, lines }: { code?: string; lines?: string }): DeadLetterFilter {
  if (lines === undefined) return { code };
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(lines);
  if (!match)
    throw new Refusal('bad_lines', `"${lines}" is not a range of lines.`, {
      advice: 'Write --lines 100-250 or --lines 100.',
    });
  const [fromLine, toLine] = [Number(match[1]), Number(match[2] ?? match[1])];
  if (toLine < fromLine) throw new Refusal('bad_lines', `--lines ${lines} ends before it begins.`);
  return { code, fromLine, toLine };
}

async function deadLetters(id: string, options: Json & { code?: string; lines?: string }): Promise<void> {
  const filter = filterOf(options);
  await withMigration(id, options, async (cell, migration, { out }) => {
    const letters = await listDeadLetters(cell.db, migration.importNumber, filter);
    const document = letters.map((letter) => ({
      line: letter.line,
      record_type: letter.recordType,
      external_id: letter.externalId,
      code: letter.code,
      detail: letter.detail,
      attempts: letter.attempts,
      died_at: letter.diedAt,
    }));
    out.result({ migration: id, dead_letters: document }, () =>
      letters.length === 0
        ? `${id} has no dead letters.`
        : `${table(
            [
              { title: 'line', right: true },
              { title: 'type' },
              { title: 'id' },
              { title: 'code' },
              { title: 'detail' },
            ],
            letters.map((each) => [
              String(each.line),
              each.recordType,
              each.externalId,
              each.code,
              each.detail,
            ]),
          )}\n\n  When the cause is mended: ./relevo migrate redrive ${id}`,
    );
  });
}

async function redriveLetters(
  id: string,
  options: Run & { code?: string; lines?: string; dryRun?: boolean },
): Promise<void> {
  const filter = filterOf(options);
  const signal = onInterrupt();
  await withMigration(id, options, async (cell, migration, context) => {
    if (options.dryRun) {
      const letters = await listDeadLetters(cell.db, migration.importNumber, filter);
      const what = { migration: id, dry_run: true, would_redrive: letters.length };
      context.out.result(what, () => `${count(letters.length)} dead letters of ${id} would be tried again.`);
      return;
    }
    const redriven = await redrive(cell, migration, filter, operatorName(context.settings));
    if (redriven === 0) {
      context.out.result({ migration: id, redriven }, () => `${id} has no such dead letters.`);
      return;
    }
    const { cell: name } = parseMigrationId(id);
    const now = (await findMigration(cell.db, migration.importNumber))!;
    const report = await continueMigration(
      cell,
      now,
      runOptions(context, name, { ...options, wait: true }, signal),
    );
    context.out.result(
      { redriven, ...report },
      () => `${count(redriven)} dead letters tried again.\n\n${showReport(report)}`,
    );
    process.exitCode = exitStatusOf(report);
  });
}
