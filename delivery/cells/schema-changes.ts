import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { services } from '#services/all.ts';
import { REFUSE_CHANGE, sealTables } from './append-only.ts';
import type { CellName } from './cell-name.ts';
import { grants } from './rights.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const CELL_SCHEMA = join(root, 'delivery/cells/schema/cell.sql');

/** A change by its name, as `ledger/0002-live-movements`. */
type Wanted = (change: string) => boolean;

/**
 * Brings a cell's database to the schemas of this release, and its roles to the rights that the declarations
 * give them. Runs as often as one likes; each change runs once, in a transaction with its check. With `wanted`, only to
 * the schemas that an earlier release had.
 */
export const applySchemaChanges = (
  client: pg.Client,
  cell: CellName,
  wanted: Wanted = () => true,
): Promise<void> =>
  inTransaction(client, async () => {
    await applySchemas(client, wanted);
    await client.query(grants(cell));
  });

/** The same for a database that was copied from the release's template: its changes are as old as the cell. */
export const takeOverSchemas = (client: pg.Client, cell: CellName): Promise<void> =>
  inTransaction(client, async () => {
    await client.query(`update cell.schema_changes set applied_at = now(); ${grants(cell)}`);
  });

/** The schemas without anybody's rights to them: what the cells of a release have in common. */
export const makeSchemas = (client: pg.Client): Promise<void> =>
  inTransaction(client, () => applySchemas(client));

async function inTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('begin');
  try {
    await work();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first failure is the one to tell of
    throw error;
  }
}

async function applySchemas(client: pg.Client, wanted: Wanted = () => true): Promise<void> {
  await client.query(`select pg_advisory_xact_lock(hashtext('relevo schema'))`);
  await client.query(await readFile(CELL_SCHEMA, 'utf8'));
  const { rows } = await client.query<{ change: string }>(
    `select schema || '/' || change as change from cell.schema_changes`,
  );
  const known = new Set(rows.map(({ change }) => change));
  for (const { name, appendOnly } of services) {
    await client.query(`create schema if not exists ${name}`);
    for (const change of await changesOf(name))
      if (!known.has(`${name}/${change}`) && wanted(`${name}/${change}`))
        await applyChange(client, name, change);
    if (appendOnly) await sealTables(client, name);
  }
}

async function applyChange(client: pg.Client, name: string, change: string): Promise<void> {
  const folder = join(schemaFolder(name), change);
  await client.query(await readFile(join(folder, 'up.sql'), 'utf8'));
  const broken = await client.query(await readFile(join(folder, 'check.sql'), 'utf8'));
  if (broken.rowCount)
    throw new Error(`schema change ${name}/${change} leaves ${String(broken.rows[0].broken)}`);
  await client.query('insert into cell.schema_changes (schema, change) values ($1, $2)', [name, change]);
}

const schemaFolder = (service: string): string => join(root, 'services', service, 'schema');
const changesOf = async (service: string): Promise<string[]> => (await readdir(schemaFolder(service))).sort();

/** What must hold now: of each service the check of its latest change, for a change may undo what one before it asked. */
export async function latestChecks(): Promise<{ change: string; sql: string }[]> {
  const ofEach = services.map(async ({ name }) => {
    const change = (await changesOf(name)).at(-1);
    if (change === undefined) return [];
    const sql = await readFile(join(schemaFolder(name), change, 'check.sql'), 'utf8');
    return [{ change: `${name}/${change}`, sql }];
  });
  return (await Promise.all(ofEach)).flat();
}

/** Every change of this release, as `ledger/0002-live-movements`. */
export async function releaseChanges(): Promise<string[]> {
  const named = await Promise.all(
    services.map(async ({ name }) => (await changesOf(name)).map((change) => `${name}/${change}`)),
  );
  return named.flat();
}

let digest: Promise<string> | undefined;

/** Names the schemas of this release by all that makes them: equal digests, equal schemas. */
export const schemaDigest = (): Promise<string> => (digest ??= digestOfRelease());

async function digestOfRelease(): Promise<string> {
  const hash = createHash('sha256');
  const add = (text: string) => hash.update(`${Buffer.byteLength(text)} ${text}`);
  add(await readFile(CELL_SCHEMA, 'utf8'));
  add(REFUSE_CHANGE);
  for (const { name, appendOnly = false } of services) {
    add(`${name} ${appendOnly}`);
    for (const change of await changesOf(name)) {
      add(change);
      for (const file of ['up.sql', 'check.sql'])
        add(await readFile(join(schemaFolder(name), change, file), 'utf8'));
    }
  }
  return hash.digest('hex').slice(0, 16);
}
