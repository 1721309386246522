import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { pc } from '#cli/colours.ts';
import { addTenant } from '#delivery/local/add-tenant.ts';
import { readCellFile } from '#delivery/cells/cell-file.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { Refusal } from '#runtime/refusal.ts';
import { resultLines } from '#services/migrations/books/result-lines.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import { type Context, withCell, withContext, withServices } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import { parseMigrationId } from '../migration-id.ts';
import { JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count } from '../output.ts';
import { knownBefore } from './migrate.ts';
import { showProgress } from '../progress.ts';
import { runMigration } from '../run-migration.ts';
import { exitStatusOf, showReport } from '../show-report.ts';
import { readRejected, rejectedTable, sampleFor } from './portfolio.ts';

const TENANT = 'andina';
const CELL = `${TENANT}/production`;
const FAULTS = 40;
const SHOWN_MAX = 12;

interface Options {
  cards: number;
  seed: number;
  fresh?: boolean;
  json?: boolean;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('the main job, live: an encrypted portfolio moves into a production cell, with closed books')
    .option('--cards <n>', 'how many cards', wholeNumber(1, 10_000_000), 20_000)
    .option('--seed <s>', 'which synthetic portfolio', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--fresh', `take the demo's tenant ${TENANT} away first, with all it holds`)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExamples:\n  $ ./relevo demo\n  $ ./relevo demo --cards 200000 --seed 2\n\nRunning it again is safe.',
    )
    .action(demo);
}

async function demo({ cards, seed, fresh = false, json = false }: Options): Promise<void> {
  const signal = onInterrupt();
  await withContext(json, async (context) => {
    const { out, settings, server } = context;
    const home = settings.RELEVO_HOME;
    const folder = join(home, 'demo');
    await refuseForeignTenant(home, folder);
    if (fresh && existsSync(folder)) await removeTenant(server, home, TENANT, folder);
    out.say(`${pc.bold('1')}  Tenant ${TENANT} with three sealed cells: demo, staging, production`);
    const cells = await addTenant(server, home, TENANT);
    for (const { cell, fingerprint } of cells) out.say(pc.dim(`     ${cell.padEnd(20)} ${fingerprint}`));

    const path = join(folder, `${TENANT}-seed${seed}-${cards}.csv.gpg`);
    out.say(
      `${pc.bold('2')}  A portfolio of ${count(cards)} cards, signed by the tenant, encrypted to ${CELL}`,
    );
    const isNew = !existsSync(path);
    if (isNew) await makePortfolio(context, path, cards, seed);
    out.say(pc.dim(`     ${path}${isNew ? '' : '  (made before)'}`));

    out.say(`${pc.bold('3')}  Migration: verify every byte, then load; workers import; the books are closed`);
    await withServices(context, CELL, async (cell) => {
      const report = await runMigration(cell, path, {
        cellName: CELL,
        home,
        wait: true,
        workers: undefined,
        progress: showProgress(json),
        onKnown: (migration) => out.say(`\n${knownBefore(migration)}`),
        signal,
      });
      const rejected = await rejectedLines(cell, parseMigrationId(report.migration).importNumber);
      out.result(report, () =>
        [
          '',
          showReport(report),
          '',
          rejectedTable(rejected, SHOWN_MAX),
          '',
          'What to try next:',
          `  ./relevo migrate status ${report.migration}`,
          `  ./relevo portfolio sample delta.csv.gpg --cell ${CELL} --kind delta --seed ${seed} --cards ${cards}`,
          `  ./relevo migrate start delta.csv.gpg --cell ${CELL} --wait`,
          '  ./relevo demo --seed 2            another portfolio',
          '  ./relevo demo --fresh             from the beginning',
        ].join('\n'),
      );
      process.exitCode = exitStatusOf(report);
    });
  });
}

/** The demo adds and removes its tenant at will, so it keeps its hands off one that it did not make. */
async function refuseForeignTenant(home: string, folder: string): Promise<void> {
  if (!existsSync(folder) && (await readCellFile(home, { tenant: TENANT, environment: 'production' })))
    throw new Refusal('tenant_not_of_demo', `Tenant ${TENANT} in ${home} was not made by the demo.`, {
      advice: 'Run the demo in a home of its own: RELEVO_HOME=.relevo-demo ./relevo demo',
    });
}

const makePortfolio = (context: Context, path: string, cards: number, seed: number) =>
  withCell(context, CELL, (cell) =>
    sampleFor(context, cell, path, { cards, seed, faults: FAULTS, kind: 'full' }),
  );

async function rejectedLines(cell: MigrationCell, importNumber: number) {
  const rejected = [];
  for await (const piece of resultLines(cell.db, importNumber))
    for (const line of piece.toString('latin1').trimEnd().split('\n')) {
      const each = readRejected(line);
      if (each) rejected.push(each);
    }
  return rejected;
}
