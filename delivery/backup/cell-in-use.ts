import type pg from 'pg';
import { Refusal } from '#runtime/refusal.ts';
import { type CellName, cellText, databaseName } from '../cells/cell-name.ts';

/** PostgreSQL's word for a database that somebody is connected to. */
const OBJECT_IN_USE = '55006';

/** Who is connected to a cell's database, as `relevo authorisations (3)`. */
async function sessionsOf(admin: pg.Client, database: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string; sessions: number }>(
    `select coalesce(nullif(application_name, ''), usename, 'nameless') as name, count(*)::int as sessions
       from pg_stat_activity
      where datname = $1 and pid <> pg_backend_pid() and backend_type = 'client backend'
      group by 1 order by 1`,
    [database],
  );
  return rows.map(({ name, sessions }) => `${name} (${sessions})`);
}

/** Refuses while anybody is connected to the cell: whatever they write would be lost. */
export async function refuseInUse(admin: pg.Client, name: CellName): Promise<void> {
  const sessions = await sessionsOf(admin, databaseName(name));
  if (sessions.length > 0) throw inUse(name, sessions);
}

const inUse = (name: CellName, sessions: readonly string[]): Refusal =>
  new Refusal(
    'cell_in_use',
    `${cellText(name)} is in use: ${sessions.length > 0 ? sessions.join(', ') : 'somebody has just come in'}. Nothing was changed.`,
    {
      advice:
        'End what serves and works it (relevo up, serve, worker, migrate), then run the same command again.',
    },
  );

/** Runs a statement that PostgreSQL refuses while somebody is connected. */
export async function unlessInUse<T>(admin: pg.Client, name: CellName, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
    throw inUse(name, await sessionsOf(admin, databaseName(name)));
  }
}
