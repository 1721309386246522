import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { services } from '#services/all.ts';
import { sealTables } from './append-only.ts';
import { CELL_ROLES, VAULT_ROLES } from './cell-roles.ts';
import { type CellName, roleName } from './cell-name.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Brings a cell's database to the schemas of this release, and its roles to the rights that the declarations
 * give them. Runs as often as one likes; each change runs once, in a transaction with its check.
 */
export async function applySchemaChanges(adminUrl: string, cell: CellName): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'relevo schema' });
  await client.connect();
  try {
    await client.query('begin');
    await client.query(`select pg_advisory_xact_lock(hashtext('relevo schema'))`);
    await client.query(await readFile(join(root, 'delivery/cells/schema/cell.sql'), 'utf8'));
    for (const { name, appendOnly } of services) {
      await applyService(client, name);
      if (appendOnly) await sealTables(client, name);
    }
    await client.query(grants(cell));
    await client.query('commit');
  } finally {
    await client.end();
  }
}

async function applyService(client: pg.Client, name: string): Promise<void> {
  await client.query(`create schema if not exists ${name}`);
  const folder = join(root, 'services', name, 'schema');
  for (const change of (await readdir(folder)).sort()) {
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
