import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Command } from 'commander';
import { goToBackground } from '#runtime/priority.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import { findActive } from '#services/migrations/store.ts';
import { runWorker } from '#services/migrations/work/worker.ts';
import { withContext, withServices } from '../context.ts';
import { onInterrupt, standardInputCloses } from '../interrupt.ts';
import { CELL } from '../options.ts';

interface Options {
  cell: string;
  attached?: boolean;
  untilIdle?: boolean;
}

export const processName = (): string => `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`;

export function workerCommand(): Command {
  return new Command('worker')
    .description('one more worker process for a cell, on this or another machine with the same database')
    .requiredOption(...CELL)
    .option('--until-idle', 'end when the cell has no migration under way')
    .option('--attached', 'end when standard input closes (how migrate start keeps its workers)')
    .option('--json', 'accepted for uniformity; a worker prints nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo worker --cell andina/production
  $ RELEVO_DATABASE_URL=postgresql://... ./relevo worker --cell andina/production    # on another machine

The other machine needs the cell's key file: copy cells/andina/production.json of RELEVO_HOME there.
Ctrl-C ends it at the edge of the chunks in hand.`,
    )
    .action(async ({ cell: name, attached = false, untilIdle = false }: Options) => {
      const interrupted = onInterrupt();
      const signal = attached ? AbortSignal.any([interrupted, standardInputCloses()]) : interrupted;
      await withContext(false, (context) =>
        withServices(context, name, (cell) => {
          cell.yielding.onFirstNeed(goToBackground);
          return runWorker(cell, {
            name: processName(),
            signal,
            // Whoever keeps attached workers closes the books.
            mayEnd: attached ? undefined : () => finishIdle(cell, untilIdle),
            onTrouble: (message) =>
              process.stderr.write(`${new Date().toISOString()} worker of ${name}: ${message}\n`),
          });
        }),
      );
      process.stdin.unref?.();
    });
}

/** When there is nothing to take, a worker closes the books that are ready, and may end if that was all. */
async function finishIdle(cell: MigrationCell, untilIdle: boolean): Promise<boolean> {
  const active = await findActive(cell.db);
  if (!active) return untilIdle;
  const { closeWhenDone } = await import('#services/migrations/start-migration.ts');
  await closeWhenDone(cell, active.importNumber, processName());
  return false;
}
