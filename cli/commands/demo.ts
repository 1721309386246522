import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { pc } from '#cli/colours.ts';
import { addTenant } from '#delivery/local/add-tenant.ts';
import { readCellFile } from '#delivery/cells/cell-file.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { Stage } from '#rehearsal/stage.ts';
import { playLivePart } from '#rehearsal/story.ts';
import { judge } from '#rehearsal/verdict.ts';
import { Refusal } from '#runtime/refusal.ts';
import { resultLines } from '#services/migrations/books/result-lines.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import type { Migration } from '#services/migrations/store.ts';
import { sampleCards } from '#simulators/portfolio/sample.ts';
import { type Context, withCell, withContext, withServices } from '../context.ts';
import { EXIT } from '../exit.ts';
import { onInterrupt } from '../interrupt.ts';
import { parseMigrationId } from '../migration-id.ts';
import { operatorName } from '../operator.ts';
import { JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count } from '../output.ts';
import { knownBefore } from './migrate.ts';
import { showProgress } from '../progress.ts';
import { runMigration } from '../run-migration.ts';
import { rehearsalDocument, showRehearsal, type Told, watchRehearsal } from '../show-rehearsal.ts';
import { exitStatusOf, showReport } from '../show-report.ts';
import { readRejected, rejectedTable, sampleFor } from './portfolio.ts';

const TENANT = 'andina';
const CELL = `${TENANT}/production`;
const FAULTS = 40;
/** Always the same, so that a second run finds the cards unchanged. */
const SAMPLE_CREATED_AT = '2026-11-20T06:00:00Z';
const SHOWN_MAX = 12;
/** Messages a second of the live part, and the seconds of each of its phases. */
const RATE = 100;
const PHASE_SECONDS = 4;

interface Options {
  cards: number;
  seed: number;
  fresh?: boolean;
  json?: boolean;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('the main job, live: a portfolio moves into a production cell, and its cards are taken over')
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
    const cells = await addTenant(server, home, TENANT, operatorName(settings));
    for (const { cell, fingerprint } of cells) out.say(pc.dim(`     ${cell.padEnd(20)} ${fingerprint}`));

    const path = join(folder, `${TENANT}-seed${seed}-${cards}.csv.gpg`);
    out.say(
      `${pc.bold('2')}  A portfolio of ${count(cards)} cards, signed by the tenant, encrypted to ${CELL}`,
    );
    const isNew = !existsSync(path);
    if (isNew) await makePortfolio(context, path, { cards, seed });
    out.say(pc.dim(`     ${path}${isNew ? '' : '  (made before)'}`));

    out.say(`${pc.bold('3')}  Migration: verify every byte, then load; workers import; the books are closed`);
    let known: Migration | null = null;
    const { report, rejected } = await withServices(context, CELL, async (cell) => {
      const report = await runMigration(cell, path, {
        cellName: CELL,
        home,
        operator: operatorName(settings),
        wait: true,
        workers: undefined,
        progress: showProgress(json),
        onKnown: (migration) => {
          known = migration;
          out.say(`\n${knownBefore(migration)}`);
        },
        signal,
      });
      return { report, rejected: await rejectedLines(cell, parseMigrationId(report.migration).importNumber) };
    });
    out.say(`\n${showReport(report)}\n\n${rejectedTable(rejected, SHOWN_MAX)}\n`);

    out.say(
      `${pc.bold('4')}  Live: a simulated card network and earlier processor; two BIN ranges are taken over, given back and taken over`,
    );
    // Cards that came before have lived on since, and no simulated processor knows how.
    const { migrated = 0, rejected: left = 0 } = report.by_type['C'] ?? {};
    const isLive = known === null && report.reconciled === true && migrated + left === report.rows['C'];
    if (!isLive)
      out.say('   This part is played with a new portfolio: --seed 2, or --fresh from the beginning.');
    const told = isLive ? await playLive(context, { cards, seed, folder, signal }) : null;
    out.result({ ...report, live: told && rehearsalDocument(told) }, () =>
      [
        ...(told ? [showRehearsal(told), ''] : []),
        'What to try next:',
        `  ./relevo migrate status ${report.migration}`,
        `  ./relevo range list --cell ${CELL}`,
        `  ./relevo authorisations tail --cell ${CELL}`,
        `  ./relevo audit list --cell ${CELL}`,
        '  ./relevo rehearse                 the whole story, with files that come while messages go on',
        '  ./relevo demo --seed 2            another portfolio',
        '  ./relevo demo --fresh             from the beginning',
      ].join('\n'),
    );
    const hasHeld = told === null || told.promises.every(({ held }) => held);
    process.exitCode = hasHeld ? exitStatusOf(report) : EXIT.failed;
  });
}

interface LiveOptions {
  readonly cards: number;
  readonly seed: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** The cards of the portfolio are used, and change hands three times. */
async function playLive(
  { server, settings, out }: Context,
  { cards, seed, folder, signal }: LiveOptions,
): Promise<Told> {
  const startedAt = performance.now();
  const home = settings.RELEVO_HOME;
  await mkdir(folder, { recursive: true });
  const stage = await Stage.open({
    server,
    home,
    tenant: TENANT,
    environment: { ...process.env, RELEVO_HOME: home },
    folder,
    portfolio: await sampleCards({
      cards,
      seed,
      createdAt: SAMPLE_CREATED_AT,
      tenant: TENANT,
      environment: 'production',
    }),
    rate: RATE,
    seed,
    watcher: watchRehearsal(out),
    signal,
    operator: operatorName(settings),
    windowMessages: RATE / 2,
  });
  try {
    await stage.begin();
    await playLivePart(stage, { seconds: PHASE_SECONDS });
    const ending = await stage.end();
    const seconds = (performance.now() - startedAt) / 1000;
    return { ending, migrated: [], promises: judge(ending, []), seconds };
  } finally {
    await stage.close();
  }
}

/** The demo adds and removes its tenant at will, so it keeps its hands off one that it did not make. */
async function refuseForeignTenant(home: string, folder: string): Promise<void> {
  if (!existsSync(folder) && (await readCellFile(home, { tenant: TENANT, environment: 'production' })))
    throw new Refusal('tenant_not_of_demo', `Tenant ${TENANT} in ${home} was not made by the demo.`, {
      advice: 'Run the demo in a home of its own: RELEVO_HOME=.relevo-demo ./relevo demo',
    });
}

const makePortfolio = (context: Context, path: string, options: { cards: number; seed: number }) =>
  withCell(context, CELL, (cell) =>
    sampleFor(context, cell, path, {
      ...options,
      createdAt: SAMPLE_CREATED_AT,
      faults: FAULTS,
      kind: 'full',
    }),
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
