import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { listCells } from '#delivery/cells/cell-file.ts';
import { cellText } from '#delivery/cells/cell-name.ts';
import { type Cell, openCell } from '#delivery/cells/open-cell.ts';
import type { Database } from '#runtime/database/database.ts';
import { findActive } from '#services/migrations/store.ts';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { services } from '#services/all.ts';
import { type Context, withContext } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import { JSON_OUTPUT } from '../options.ts';
import { startWorkers, type Workers } from '../workers.ts';

const POLL_MS = 500;

export function upCommand(): Command {
  return new Command('up')
    .description('the platform running: every cell with its services, workers wherever there is work')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      "\nExample:\n  $ ./relevo up\n\nEach cell has worker processes of its own, so that one cell's migration cannot hold up another's.\nCtrl-C stops everything at the edge of the chunks in hand.",
    )
    .action(async ({ json = false }: { json?: boolean }) => {
      const signal = onInterrupt();
      await withContext(json, (context) => runPlatform(context, signal));
    });
}

/** One cell under watch: its workers live as long as it has a migration under way. */
interface Watched {
  readonly cell: Cell;
  readonly db: Database;
  workers: Workers | null;
}

async function runPlatform(context: Context, signal: AbortSignal): Promise<void> {
  const { settings, out } = context;
  const home = settings.RELEVO_HOME;
  const watched = new Map<string, Watched>();
  const announce = (names: string[]) =>
    out.result({ state: 'running', cells: names, services: services.map(({ name }) => name) }, () =>
      names.length > 0
        ? `Running: ${names.join(', ')}\nEach with ${services.map(({ name }) => name).join(', ')}. Ctrl-C stops.`
        : 'Running, but there are no cells yet: ./relevo tenant add NAME',
    );
  announce((await listCells(home)).map(cellText));
  try {
    while (!signal.aborted) {
      await watchNewCells(context, watched);
      await Promise.all([...watched].map(([name, each]) => tend(context, name, each, signal)));
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    await Promise.all([...watched.values()].map(async (each) => each.workers?.stop()));
    await Promise.all([...watched.values()].map((each) => each.cell.close()));
  }
  out.say('Stopped.');
}

async function watchNewCells({ server, settings }: Context, watched: Map<string, Watched>): Promise<void> {
  for (const name of await listCells(settings.RELEVO_HOME)) {
    if (watched.has(cellText(name))) continue;
    const cell = await openCell(server, settings.RELEVO_HOME, name);
    watched.set(cellText(name), { cell, db: cell.connect('migrations', 1), workers: null });
  }
}

/** Gives a cell workers when it has work and takes them away when it has none. */
async function tend(
  { settings, out }: Context,
  name: string,
  each: Watched,
  signal: AbortSignal,
): Promise<void> {
  try {
    const active = await findActive(each.db);
    const hasWork = active !== null && !active.paused && active.kind !== 'mock';
    if (hasWork && !each.workers) {
      each.workers = startWorkers(name, settings.RELEVO_WORKERS, settings.RELEVO_HOME, signal);
      out.say(`${new Date().toISOString()}  ${name}: workers started`);
    } else if (!active && each.workers) {
      const ending = each.workers;
      each.workers = null;
      await ending.stop();
      out.say(`${new Date().toISOString()}  ${name}: done, workers stopped`);
    }
  } catch (error) {
    out.say(`${new Date().toISOString()}  ${name}: ${describeFailure(error)}; trying again`);
  }
}
