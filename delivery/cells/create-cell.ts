import pg from 'pg';
import { Refusal } from '#runtime/refusal.ts';
import { KEY_PURPOSES, wrapNewKey } from '#runtime/vault/vault.ts';
import {
  type CellFile,
  keksOf,
  newCellFile,
  readCellFile,
  withRoles,
  withTokenKeys,
  writeCellFile,
} from './cell-file.ts';
import { type CellName, cellText, databaseName, roleName } from './cell-name.ts';
import { CELL_ROLES } from './cell-roles.ts';
import { applySchemaChanges } from './schema-changes.ts';
import { TimedSteps } from './timed-steps.ts';

/**
 * Makes a cell: its secrets, its roles, its database with every service's schema, its data keys. A cell that is
 * here is brought to this release: it gets the roles, schemas and data keys that it did not have.
 * Each step can be repeated, so a creation that was cut short is finished by running it again.
 * The cell file is written first: a database that nobody holds the keys of would be worthless.
 */
export async function createCell(
  adminUrl: string,
  home: string,
  name: CellName,
  timed = new TimedSteps(),
): Promise<CellFile> {
  const known = await readCellFile(home, name);
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'relevo cells' });
  await client.connect();
  try {
    const here = await client.query('select from pg_database where datname = $1', [databaseName(name)]);
    if (here.rowCount && !known)
      throw new Refusal(
        'cell_file_missing',
        `The database of ${cellText(name)} is on this server, but its cell file is not in ${home}.`,
        { advice: 'Copy cells/ from the home that made it, or use another server or tenant name.' },
      );
    const now = new Date();
    const file = withRoles(withTokenKeys(known ?? newCellFile(name, CELL_ROLES, now), now), CELL_ROLES);
    if (file !== known) await timed.run('secrets', () => writeCellFile(home, file));
    await timed.run('roles', () => createRoles(client, name, file));
    if (!here.rowCount) await timed.run('database', () => createDatabase(client, databaseName(name)));
    await letRolesIn(client, name);
  } finally {
    await client.end();
  }
  const file = (await readCellFile(home, name))!;
  const database = withDatabase(adminUrl, databaseName(name));
  await timed.run('schemas and rights', () => applySchemaChanges(database, name));
  await timed.run('data keys', () => createDataKeys(database, file));
  return file;
}

/** The same server and login, another database. */
export function withDatabase(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

async function createRoles(client: pg.Client, name: CellName, file: CellFile): Promise<void> {
  for (const role of CELL_ROLES) {
    const quoted = `"${roleName(name, role)}"`;
    const known = await client.query('select from pg_roles where rolname = $1', [roleName(name, role)]);
    const verb = known.rowCount ? 'alter' : 'create';
    await client.query(
      `${verb} role ${quoted} login nosuperuser nocreatedb nocreaterole noinherit connection limit 250 ` +
        `password ${pg.escapeLiteral(file.passwords[role])}`,
    );
  }
}

export async function createDatabase(client: pg.Client, database: string): Promise<void> {
  const quoted = `"${database}"`;
  // Bytes compare as bytes: external ids need no collation, and "C" is the same on every machine.
  await client.query(
    `create database ${quoted} template template0 encoding 'UTF8' locale 'C' strategy wal_log`,
  );
  await client.query(`revoke all on database ${quoted} from public`);
}

export async function letRolesIn(
  client: pg.Client,
  name: CellName,
  database = databaseName(name),
): Promise<void> {
  const roles = CELL_ROLES.map((role) => `"${roleName(name, role)}"`).join(', ');
  await client.query(`grant connect on database "${database}" to ${roles}`);
}

export async function createDataKeys(databaseUrl: string, file: CellFile): Promise<void> {
  const kek = keksOf(file).at(-1)!;
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'relevo cells' });
  await client.connect();
  try {
    for (const purpose of KEY_PURPOSES) {
      const { wrapped } = wrapNewKey(kek, purpose, 1);
      await client.query(
        `insert into cell.data_keys (purpose, version, wrapped)
         select $1, 1, $2 where not exists (select from cell.data_keys where purpose = $1)`,
        [purpose, wrapped],
      );
    }
  } finally {
    await client.end();
  }
}
