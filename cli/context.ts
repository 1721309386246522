import { parseCellName } from '#delivery/cells/cell-name.ts';
import { type Cell, openCell } from '#delivery/cells/open-cell.ts';
import { touchCell } from '#delivery/cells/touched.ts';
import { enterCell } from '#delivery/local/enter-cell.ts';
import { type AllSettings, readAllSettings } from '#delivery/local/settings.ts';
import { acquireServer, type Server } from '#runtime/postgres/server.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import { Output } from './output.ts';

/** What every command stands on: settings, a database server, a way to answer. */
export interface Context {
  readonly settings: AllSettings;
  readonly server: Server;
  readonly out: Output;
}

/** Runs a command with a database server that is there for as long as it lasts. */
export async function withContext<T>(json: boolean, work: (context: Context) => Promise<T>): Promise<T> {
  const settings = readAllSettings(process.env);
  const server = await acquireServer({
    home: settings.RELEVO_HOME,
    databaseUrl: settings.RELEVO_DATABASE_URL ?? undefined,
    log: (message) => process.stderr.write(`${message}\n`),
  });
  try {
    return await work({ settings, server, out: new Output(json) });
  } finally {
    await server.release();
  }
}

/** Opens a cell by its name as typed. */
export async function withCell<T>(
  context: Context,
  name: string,
  work: (cell: Cell) => Promise<T>,
): Promise<T> {
  const cell = await openCell(context.server, context.settings.RELEVO_HOME, parseCellName(name));
  try {
    return await work(cell);
  } finally {
    await cell.close();
    await touchCell(cell.home, cell.name);
  }
}

/** Opens a cell with its services in this process. */
export const withServices = <T>(
  context: Context,
  name: string,
  work: (cell: MigrationCell) => Promise<T>,
): Promise<T> => withCell(context, name, async (cell) => work(await enterCell(cell, context.settings)));
