import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { services } from '#services/all.ts';
import { sealTables } from './append-only.ts';
import { CELL_ROLES, VAULT_ROLES } from './cell-roles.ts';
import { type CellName, roleName } from './cell-name.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface SchemaChange {
  /** The service whose schema it changes. */
  readonly schema: string;
  readonly change: string;
}

/** The schema changes of this release, in the order in which they are made. */
export async function knownChanges(): Promise<SchemaChange[]> {
  const ofEach = services.map(async ({ name }) =>
    (await changesOf(name)).map((change) => ({ schema: name, change })),
  );
  return (await Promise.all(ofEach)).flat();
}

/** What must hold now: of each service the check of its latest change, for a change may undo what one before it asked. */
export async function latestChecks(): Promise<(SchemaChange & { readonly sql: string })[]> {
  const ofEach = services.map(async ({ name }) => {
    const change = (await changesOf(name)).at(-1);
    if (change === undefined) return [];
    return [{ schema: name, change, sql: await readFile(join(folderOf(name), change, 'check.sql'), 'utf8') }];
  });
  return (await Promise.all(ofEach)).flat();
}

const folderOf = (service: string) => join(root, 'services', service, 'schema');
const changesOf = async (service: string): Promise<string[]> => (await readdir(folderOf(service))).sort();

/**
 * Brings a cell's database to the schemas of this release, and its roles to the rights that the declarations
 * give them. Runs as often as one likes; each change runs once, in a transaction with its check. With `wanted`, only to
 * the schemas that an earlier release had.
 */
export async function applySchemaChanges(
  adminUrl: string,
  cell: CellName,
  wanted: (change: SchemaChange) => boolean = () => true,
): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'relevo schema' });
  await client.connect();
  try {
    await client.query('begin');
    await client.query(`select pg_advisory_xact_lock(hashtext('relevo schema'))`);
    await client.query(await readFile(join(root, 'delivery/cells/schema/cell.sql'), 'utf8'));
    for (const { name, appendOnly } of services) {
      await applyService(client, name, wanted);
      if (appendOnly) await sealTables(client, name);
    }
    await client.query(grants(cell));
    await client.query('commit');
  } finally {
    await client.end();
  }
}

async function applyService(
  client: pg.Client,
  name: string,
  wanted: (change: SchemaChange) => boolean,
): Promise<void> {
  await client.query(`create schema if not exists ${name}`);
  const folder = folderOf(name);
  for (const change of await changesOf(name)) {
    if (!wanted({ schema: name, change })) continue;
    const known = await client.query('select from cell.schema_changes where schema = $1 and change = $2', [
      name,
      change,
    ]);
    if (known.rowCount) continue;
    await client.query(await readFile(join(folder, change, 'up.sql'), 'utf8'));
    const broken = await client.query(await readFile(join(folder, change, 'check.sql'), 'utf8'));
    if (broken.rowCount)
      throw new Error(`schema change ${name}/${change} leaves ${String(broken.rows[0].broken)}`);
    await client.query('insert into cell.schema_changes (schema, change) values ($1, $2)', [name, change]);
  }
}

/**
 * Least privilege, from the declarations: a service writes its own schema and reads nothing else. One that only
 * appends may not even change what it wrote.
 */
function grants(cell: CellName): string {
  const role = (name: string) => `"${roleName(cell, name)}"`;
  const statements = services.flatMap(({ name, appendOnly }) => [
    `grant usage on schema ${name} to ${role(name)}`,
    appendOnly
      ? `revoke update, delete, truncate on all tables in schema ${name} from ${role(name)};
         grant select, insert on all tables in schema ${name} to ${role(name)}`
      : `grant select, insert, update, delete on all tables in schema ${name} to ${role(name)}`,
    `grant usage on all sequences in schema ${name} to ${role(name)}`,
  ]);
  for (const name of VAULT_ROLES)
    statements.push(
      `grant usage on schema cell to ${role(name)}`,
      `grant select on cell.data_keys, cell.openpgp_keys to ${role(name)}`,
    );
  statements.push(
    `grant usage on schema cell to ${role('keys')}`,
    `grant select, insert, update, delete on cell.data_keys, cell.openpgp_keys to ${role('keys')}`,
    `grant usage on schema reporting to ${role('reporting')}`,
    `grant select on all tables in schema reporting to ${role('reporting')}`,
    ...CELL_ROLES.map((name) => `alter role ${role(name)} set search_path = ''`),
  );
  return statements.join(';\n');
}
