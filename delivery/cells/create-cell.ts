import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import pg from 'pg';
import { crashPoint } from '#runtime/crash-point.ts';
import { Refusal } from '#runtime/refusal.ts';
import { KEY_PURPOSES, wrapNewKey } from '#runtime/vault/vault.ts';
import {
  type CellFile,
  cellFilePath,
  keksOf,
  newCellFile,
  readCellFile,
  withRoles,
  withTokenKeys,
  writeCellFile,
} from './cell-file.ts';
import { type CellName, cellText, databaseName, roleName } from './cell-name.ts';
import { CELL_ROLES } from './cell-roles.ts';
import { onDatabase } from './on-database.ts';
import { applySchemaChanges, takeOverSchemas } from './schema-changes.ts';
import { templateDatabase } from './template-database.ts';
import { TimedSteps } from './timed-steps.ts';
import { Undo } from './undo.ts';

/** Longer than any other command makes a cell for. */
const TURN_MS_MAX = 60_000;

/**
 * Makes a cell: its secrets, its roles, its database with every service's schema, its data keys. A cell that is
 * here is brought to this release: it gets the roles, schemas and data keys that it did not have.
 * Each step can be repeated, so a creation that was cut short is finished by running it again; `undo` learns how to
 * take back what this run made and was not here before.
 * The cell file is written first: a database that nobody holds the keys of would be worthless.
 */
export async function createCell(
  adminUrl: string,
  home: string,
  name: CellName,
  timed = new TimedSteps(),
  undo = new Undo(),
): Promise<CellFile> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'relevo cells' });
  client.on('error', () => {}); // the pending call is told as well
  try {
    await client.connect();
    await takeTurn(client, name);
    const known = await readCellFile(home, name);
    const here = await lookAround(client, name);
    if (!known && (here.hasDatabase || here.roles.size > 0)) throw fileMissing(home, name);
    const now = new Date();
    const file = withRoles(withTokenKeys(known ?? newCellFile(name, CELL_ROLES, now), now), CELL_ROLES);
    if (file !== known) {
      if (!known) undo.add('its cell file', () => rm(cellFilePath(home, name), { force: true }));
      await timed.run('secrets', () => writeCellFile(home, file));
    }
    crashPoint('cell:file-written');
    await timed.run('roles', () => createRoles(client, adminUrl, name, file, here, undo));
    crashPoint('cell:roles-made');
    if (!here.hasDatabase) await timed.run('database', () => createDatabase(client, adminUrl, name));
    crashPoint('cell:database-made');
    await letRolesIn(client, name);
    crashPoint('cell:database-closed');
    await onDatabase(adminUrl, databaseName(name), async (database) => {
      const schemas = here.hasDatabase ? applySchemaChanges : takeOverSchemas;
      await timed.run('schemas and rights', () => schemas(database, name));
      crashPoint('cell:schemas-made');
      await timed.run('data keys', () => createDataKeys(database, file));
      crashPoint('cell:data-keys-made');
    });
    return file;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Homes that share a server take turns for a cell's name; within a home the platform's lock sees to it. */
async function takeTurn(client: pg.Client, name: CellName): Promise<void> {
  await client.query(`set lock_timeout = ${TURN_MS_MAX}`);
  try {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [databaseName(name)]);
  } catch (error) {
    if ((error as pg.DatabaseError).code !== '55P03') throw error;
    throw new Refusal('cell_busy', `Another command makes or removes ${cellText(name)} on this server.`, {
      advice: 'Wait for it to end, then run this one again.',
    });
  }
}

interface Here {
  readonly hasDatabase: boolean;
  /** Those of the cell's roles that are there, without the cell's prefix, with the powers that they should not have. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
}

async function lookAround(client: pg.Client, name: CellName): Promise<Here> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [databaseName(name)]);
  const { rows } = await client.query<{ name: string; powers: string[] }>(
    `select rolname as name, array_remove(array[
              case when rolsuper then 'nosuperuser' end, case when rolcreatedb then 'nocreatedb' end,
              case when rolcreaterole then 'nocreaterole' end, case when rolreplication then 'noreplication' end,
              case when rolbypassrls then 'nobypassrls' end], null) as powers
       from pg_roles where rolname = any($1)`,
    [CELL_ROLES.map((role) => roleName(name, role))],
  );
  const found = new Map(rows.map((row) => [row.name, row.powers]));
  const roles = CELL_ROLES.flatMap((role) => {
    const powers = found.get(roleName(name, role));
    return powers ? [[role, powers] as const] : [];
  });
  return { hasDatabase: rowCount === 1, roles: new Map(roles) };
}

const fileMissing = (home: string, name: CellName): Refusal =>
  new Refusal(
    'cell_file_missing',
    `The database or roles of ${cellText(name)} are on this server, but its cell file is not in ${home}.`,
    { advice: 'Copy cells/ from the home that made it, or use another server or tenant name.' },
  );

/** All of them in one transaction, for the statements travel together. */
async function createRoles(
  client: pg.Client,
  adminUrl: string,
  name: CellName,
  file: CellFile,
  { roles, hasDatabase }: Here,
  undo: Undo,
): Promise<void> {
  const made = CELL_ROLES.filter((role) => !roles.has(role));
  const mark = `made by run ${randomBytes(9).toString('base64url')}`;
  if (made.length > 0)
    undo.add('its database and roles', () =>
      takeBack(adminUrl, { name, roles: made, mark, hadDatabase: hasDatabase }),
    );
  const statements = CELL_ROLES.flatMap((role) => {
    const quoted = `"${roleName(name, role)}"`;
    const powers = roles.get(role);
    const terms =
      `${powers ? 'alter' : 'create'} role ${quoted} login noinherit connection limit 250 ` +
      // A new role has no power that it is not given. To take one away, whoever makes cells needs to have it.
      `password ${pg.escapeLiteral(file.passwords[role])} ${(powers ?? []).join(' ')}`;
    return powers ? [terms] : [terms, `comment on role ${quoted} is ${pg.escapeLiteral(mark)}`];
  });
  await client.query(statements.join(';\n'));
}

interface MadeOnServer {
  readonly name: CellName;
  readonly roles: readonly string[];
  /** What this run wrote at its roles: another home may have made roles of these names after this run lost its turn. */
  readonly mark: string;
  readonly hadDatabase: boolean;
}

/** A database is made after its roles, so where they are not this run's, it is not either. */
async function takeBack(adminUrl: string, { name, roles, mark, hadDatabase }: MadeOnServer): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'relevo cells' });
  client.on('error', () => {});
  try {
    await client.connect();
    await takeTurn(client, name);
    const { rows } = await client.query<{ role: string }>(
      `select rolname as role from pg_roles
        where rolname = any($1) and shobj_description(oid, 'pg_authid') = $2`,
      [roles.map((role) => roleName(name, role)), mark],
    );
    if (rows.length === 0) return;
    const mine = rows.map(({ role }) => `"${role}"`).join(', ');
    if (hadDatabase)
      await onDatabase(adminUrl, databaseName(name), (database) => database.query(`drop owned by ${mine}`));
    else await client.query(`drop database if exists "${databaseName(name)}" with (force)`);
    await client.query(`drop role ${mine}`);
  } finally {
    await client.end().catch(() => {});
  }
}

const createDatabase = async (client: pg.Client, adminUrl: string, name: CellName): Promise<unknown> =>
  client.query(
    `create database "${databaseName(name)}" template "${await templateDatabase(client, adminUrl)}" strategy wal_log`,
  );

/** Into a cell's database come its own roles and nobody else; a new one would let everybody in. */
export async function letRolesIn(
  client: pg.Client,
  name: CellName,
  databaseText = databaseName(name),
): Promise<void> {
  const database = `"${databaseText}"`;
  const roles = CELL_ROLES.map((role) => `"${roleName(name, role)}"`).join(', ');
  await client.query(
    `revoke all on database ${database} from public; grant connect on database ${database} to ${roles}`,
  );
}

export async function createDataKeys(client: pg.Client, file: CellFile): Promise<void> {
  const kek = keksOf(file).at(-1)!;
  const wrapped = KEY_PURPOSES.map((purpose) => wrapNewKey(kek, purpose, 1).wrapped);
  await client.query(
    `insert into cell.data_keys (purpose, version, wrapped)
     select purpose, 1, wrapped from unnest($1::text[], $2::bytea[]) as new (purpose, wrapped)
      where not exists (select from cell.data_keys as known where known.purpose = new.purpose)`,
    [KEY_PURPOSES, wrapped],
  );
}
