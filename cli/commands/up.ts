import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { listCells } from '#delivery/cells/cell-file.ts';
import { cellText } from '#delivery/cells/cell-name.ts';
import { type Cell, openCell } from '#delivery/cells/open-cell.ts';
import type { Database } from '#runtime/database/database.ts';
import { findActive } from '#services/migrations/store.ts';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { services } from '#services/all.ts';
import { readRanges } from '#services/authorisations/store/ranges.ts';
import { type Context, withContext } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import { JSON_OUTPUT } from '../options.ts';
import type { Output } from '../output.ts';
import { keepServing, type Ports, type ServingProcess } from '../serving-process.ts';
import { startWorkers, type Workers } from '../workers.ts';

const POLL_MS = 500;

export function upCommand(): Command {
  return new Command('up')
    .description(
      'the platform running: every cell that has BIN ranges answers their messages, with workers wherever there is work',
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Example:
  $ ./relevo up

Each cell has processes of its own, so that one cell's migration cannot hold up another's. A cell that has BIN ranges is
served: the first one on RELEVO_ISO8583_PORT and RELEVO_HTTP_PORT, further ones on the ports after them; where each
listens is said when it does. A serving process that dies is started again.
Ctrl-C stops everything when the messages under way are answered and the chunks in hand are worked.`,
    )
    .action(async ({ json = false }: { json?: boolean }) => {
      const signal = onInterrupt();
      await withContext(json, (context) => runPlatform(context, signal));
    });
}

/** One cell under watch: served once it has BIN ranges, with workers as long as it has a migration under way. */
interface Watched {
  readonly cell: Cell;
  readonly migrations: Database;
  readonly authorisations: Database;
  workers: Workers | null;
  serving: ServingProcess | null;
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
      await serveNewRanges(context, watched);
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    await Promise.all([...watched.values()].map(async (each) => each.workers?.stop()));
    await Promise.all([...watched.values()].map(async (each) => each.serving?.stop()));
    await Promise.all([...watched.values()].map((each) => each.cell.close()));
  }
  out.say('Stopped.');
}

async function watchNewCells({ server, settings }: Context, watched: Map<string, Watched>): Promise<void> {
  for (const name of await listCells(settings.RELEVO_HOME)) {
    if (watched.has(cellText(name))) continue;
    const cell = await openCell(server, settings.RELEVO_HOME, name);
    watched.set(cellText(name), {
      cell,
      migrations: cell.connect('migrations', 1),
      authorisations: cell.connect('authorisations', 1),
      workers: null,
      serving: null,
    });
  }
}

/** Serves cells that have got their first BIN range, in the order of their names, each on the next ports. */
async function serveNewRanges(context: Context, watched: Map<string, Watched>): Promise<void> {
  for (const [name, each] of watched) {
    if (each.serving) continue;
    try {
      if ((await readRanges(each.authorisations)).length === 0) continue;
    } catch (error) {
      context.out.say(`${stamp()}  ${name}: ${describeFailure(error)}; trying again`);
      continue;
    }
    const served = [...watched.values()].filter(({ serving }) => serving !== null).length;
    each.serving = serve(context, name, portsOf(context, served));
  }
}

/** Port 0 is any that is free, for every cell. */
function portsOf({ settings }: Context, index: number): Ports {
  const nth = (base: number) => (base === 0 ? 0 : base + index);
  return { port: nth(settings.RELEVO_ISO8583_PORT), httpPort: nth(settings.RELEVO_HTTP_PORT) };
}

const serve = ({ settings, out }: Context, cell: string, ports: Ports): ServingProcess =>
  keepServing({
    cell,
    home: settings.RELEVO_HOME,
    ...ports,
    onServing: ({ port, httpPort }) =>
      tell(out, { state: 'serving', cell, port, http_port: httpPort }, () => {
        const host = settings.RELEVO_ISO8583_HOST;
        return `${stamp()}  ${cell}: answers ISO 8583 on ${host}:${port}, HTTP on port ${httpPort}`;
      }),
    onEnded: (status) =>
      tell(out, { state: 'ended', cell, status }, () => `${stamp()}  ${cell}: serving ended; starting again`),
  });

/** One line for each thing that happens, for programs too: the platform runs until it is stopped. */
function tell(out: Output, document: unknown, forPeople: () => string): void {
  if (out.json) process.stdout.write(`${JSON.stringify(document)}\n`);
  else out.say(forPeople());
}

const stamp = (): string => new Date().toISOString();

/** Gives a cell workers when it has work and takes them away when it has none. */
async function tend(
  { settings, out }: Context,
  name: string,
  each: Watched,
  signal: AbortSignal,
): Promise<void> {
  try {
    const active = await findActive(each.migrations);
    const hasWork = active !== null && !active.paused && active.kind !== 'mock';
    if (hasWork && !each.workers) {
      each.workers = startWorkers(name, settings.RELEVO_WORKERS, settings.RELEVO_HOME, signal);
      out.say(`${stamp()}  ${name}: workers started`);
    } else if (!active && each.workers) {
      const ending = each.workers;
      each.workers = null;
      await ending.stop();
      out.say(`${stamp()}  ${name}: done, workers stopped`);
    }
  } catch (error) {
    out.say(`${stamp()}  ${name}: ${describeFailure(error)}; trying again`);
  }
}
