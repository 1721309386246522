import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { identifier, sql } from '#runtime/database/sql.ts';
import { services } from '#services/all.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { goodFile } from '#tools/testing/good-file.ts';
import { migrate } from '#tools/testing/migrate.ts';
import { makeHome, removeHome } from '#tools/testing/shared-home.ts';
import { testServer } from '#tools/testing/server.ts';
import { storedRows } from '#tools/testing/tables.ts';
import { createCell } from './create-cell.ts';
import { openCell, openVault } from './open-cell.ts';
import { databaseName, roleName } from './cell-name.ts';
import { CELL_ROLES, VAULT_ROLES } from './cell-roles.ts';

/** Who may read and write what in a cell's database: asked of PostgreSQL itself, table by table. */
const cell = await testCell();
await migrate(cell, goodFile({ card: { pin_format: 'ibm3624', pin_value: '9182', pin_key_id: 'k' } }));

const PERMISSION_DENIED = '42501';
const schemas = [...services.map(({ name }) => name), 'cell', 'reporting'];

const urlOf = (at: TestCell, role: string, database = databaseName(at.name)) => {
  const url = new URL(at.adminUrl);
  url.username = roleName(at.name, role);
  url.password = at.opened.file.passwords[role];
  url.pathname = `/${database}`;
  return url.href;
};

async function as<T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: urlOf(cell, role) });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const relations = await cell.admin.rows<{ schema: string; name: string; kind: 'r' | 'v' }>`
  select nspname as schema, relname as name, relkind as kind
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
   where relkind in ('r', 'v', 'm', 'p', 'f') and nspname = any(${schemas})
   order by 1, 2`;

/** What a role may read, and what it may write, by its declaration. */
const readable = (role: string, { schema, name }: { schema: string; name: string }): boolean =>
  schema === role ||
  (schema === 'reporting' && role === 'reporting') ||
  (schema === 'cell' && name !== 'schema_changes' && (role === 'keys' || VAULT_ROLES.includes(role)));
const appendOnly = services.filter((service) => service.appendOnly).map(({ name }) => name);
const writable = (role: string, { schema, name }: { schema: string; name: string }): boolean =>
  (schema === role && !appendOnly.includes(schema)) ||
  (schema === 'cell' && name !== 'schema_changes' && role === 'keys');

test('there are tables to ask about', () => {
  const bySchema = Object.groupBy(relations, ({ schema }) => schema);
  for (const schema of schemas) assert.ok(bySchema[schema]!.length > 0, schema);
});

for (const role of CELL_ROLES)
  test(`${role} reads and writes what it must, and is refused on every other table`, () =>
    as(role, async (client) => {
      const refused = async (statement: string) => {
        try {
          await client.query('begin');
          await client.query(statement);
          return false;
        } catch (error) {
          assert.equal((error as pg.DatabaseError).code, PERMISSION_DENIED, statement);
          return true;
        } finally {
          await client.query('rollback');
        }
      };
      for (const relation of relations) {
        const table = `${relation.schema}.${relation.name}`;
        assert.equal(
          await refused(`select * from ${table} limit 1`),
          !readable(role, relation),
          `select ${table}`,
        );
        if (relation.kind !== 'r') continue;
        assert.equal(await refused(`delete from ${table}`), !writable(role, relation), `delete ${table}`);
        assert.equal(await refused(`truncate ${table}`), true, `truncate ${table}`);
        assert.equal(await refused(`drop table ${table}`), true, `drop ${table}`);
      }
      for (const schema of [...schemas, 'public'])
        assert.equal(await refused(`create table ${schema}.mine (x int)`), true, `create in ${schema}`);
    }));

test('a service that only appends may add rows, and rows that are there stay, whoever asks', async () => {
  assert.deepEqual(appendOnly, ['audit']);
  for (const { schema, name } of relations.filter(({ schema }) => appendOnly.includes(schema))) {
    const table = `${schema}.${name}`;
    const rights = await cell.admin.rows<{ right: string }>`
      select privilege_type as right from information_schema.role_table_grants
       where grantee = ${roleName(cell.name, schema)} and table_schema = ${schema} and table_name = ${name}
       order by 1`;
    assert.deepEqual(
      rights.map(({ right }) => right),
      ['INSERT', 'SELECT'],
      table,
    );
    const columns = await cell.admin.rows`
      select from information_schema.column_privileges
       where grantee = ${roleName(cell.name, schema)} and table_schema = ${schema}
         and privilege_type not in ('INSERT', 'SELECT')`;
    assert.deepEqual(columns, [], table);
    const at = sql`${identifier(schema)}.${identifier(name)}`;
    for (const refused of [cell.admin.run`delete from ${at}`, cell.admin.run`truncate ${at}`])
      await assert.rejects(refused, { code: PERMISSION_DENIED }, `the owner of ${table}`);
  }
});

test('no role is more than it seems', async () => {
  const roles = CELL_ROLES.map((role) => roleName(cell.name, role));
  const powers = await cell.admin.rows`
    select rolname from pg_roles
     where rolname = any(${roles})
       and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or rolinherit)`;
  assert.deepEqual(powers, []);
  const memberships = await cell.admin.rows`
    select from pg_auth_members join pg_roles on pg_roles.oid = member where rolname = any(${roles})`;
  assert.deepEqual(memberships, []);
  const owned = await cell.admin.rows`
    select relname from pg_class join pg_roles on pg_roles.oid = relowner where rolname = any(${roles})`;
  assert.deepEqual(owned, []);
});

test('the reporting views show no PAN, no sealed value and nothing personal', () =>
  as('reporting', async (client) => {
    for (const { schema, name } of relations.filter(({ schema }) => schema === 'reporting')) {
      const { rows, fields } = await client.query(`select * from ${schema}.${name}`);
      for (const { name: column, dataTypeID } of fields) {
        assert.doesNotMatch(column, /sealed|index|mac|pin_|names|document_number|birth|email|phone|address/);
        assert.notEqual(dataTypeID, pg.types.builtins.BYTEA);
      }
      const text = JSON.stringify(rows);
      assert.doesNotMatch(text.replaceAll(/[0-9a-f-]{36}/g, ''), /\d{13}|9182|Quispe|Ñusta/);
    }
    const { rows } = await client.query('select pan_masked from reporting.cards');
    assert.deepEqual(rows, [{ pan_masked: '450917******0009' }]);
  }));

test('nowhere in the database does a PAN or a PIN value lie in the clear', async () => {
  const pan = '4509170000000009';
  const forms = [pan, Buffer.from(pan).toString('hex'), Buffer.from(pan).toString('base64')];
  for (const [table, rows] of Object.entries(await storedRows(cell, schemas)))
    for (const row of rows) for (const form of forms) assert.ok(!row.includes(form), table);
});

test("no role of a cell can enter another cell's database", async (t) => {
  const other = await testCell(t);
  for (const role of CELL_ROLES) {
    const client = new pg.Client({ connectionString: urlOf(cell, role, databaseName(other.name)) });
    client.on('error', () => {});
    await assert.rejects(client.connect(), { code: PERMISSION_DENIED }, role);
    const wrong = new pg.Client({
      connectionString: urlOf({ ...other, opened: cell.opened }, role),
    });
    wrong.on('error', () => {});
    await assert.rejects(wrong.connect(), { code: '28P01' }, `${role} with the password of another cell`);
  }
});

test('what one cell sealed, another cannot open', async (t) => {
  const { server } = await testServer();
  const home = await makeHome();
  t.after(() => removeHome(home));
  const vaults = [];
  for (const tenant of ['sealed-here', 'not-opened-there']) {
    const name = { tenant, environment: 'demo' } as const;
    await createCell(server.adminUrl, home, name);
    const opened = await openCell(server, home, name);
    t.after(() => opened.close());
    vaults.push(await openVault(opened, opened.connect('migrations', 1)));
  }
  const place = Buffer.from('a place');
  const [here, there] = vaults;
  for (const purpose of ['pan', 'pin', 'chunk', 'openpgp'] as const) {
    const sealed = here.seal(purpose, Buffer.from('a secret'), place);
    assert.equal(here.open(purpose, sealed, place).toString(), 'a secret');
    assert.throws(() => there.open(purpose, sealed, place));
  }
});
