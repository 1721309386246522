import pg from 'pg';
import { roleName } from '#delivery/cells/cell-name.ts';
import { CELL_ROLES, VAULT_ROLES } from '#delivery/cells/cell-roles.ts';
import { services } from '#services/all.ts';
import { type Attempts, type Met, metError } from '../attempts.ts';
import { inTurns } from '../in-turns.ts';
import { pairsOf, type SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';

const DENIED = 'permission denied';

interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'r' | 'v';
  readonly column: string;
}

/** What somebody gets who has the password of a role: its own, and nothing beside it. */
export async function tryStolenCredentials(
  stage: Stage,
  attempts: Attempts,
  { isShort }: { isShort: boolean },
): Promise<void> {
  await tryOtherDatabases(stage, attempts);
  const looked = isShort ? stage.populated.slice(0, 1) : stage.populated;
  for (const cell of looked) {
    const relations = await relationsOf(stage, cell);
    await inTurns(CELL_ROLES, (role) => tryTables(stage, { cell, relations }, role, attempts), 3);
    await inTurns(CELL_ROLES, (role) => tryServer(stage, cell, role, attempts), 3);
    await tryAsOwner(stage, cell, attempts);
    await tryReporting(stage, cell, attempts);
  }
  await tryAcross(stage, attempts);
}

export async function enter(
  { lab }: Pick<Stage, 'lab'>,
  cell: SealedCell,
  role: string,
  database = cell.database,
): Promise<pg.Client> {
  const url = new URL((await lab.server()).adminUrl);
  url.username = roleName(cell.name, role);
  url.password = cell.file.passwords[role];
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function as(
  stage: Pick<Stage, 'lab'>,
  cell: SealedCell,
  role: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = await enter(stage, cell, role);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function tryOtherDatabases(stage: Stage, attempts: Attempts): Promise<void> {
  const kind = 'role in the database of another cell';
  const tried = CELL_ROLES.flatMap((role) => pairsOf(stage.cells).map((pair) => [role, ...pair] as const));
  const entering = async (role: string, cell: SealedCell, database: string): Promise<Met> => {
    try {
      const client = await enter(stage, cell, role, database);
      await client.end();
      return { got: 'a session' };
    } catch (error) {
      return metError(error);
    }
  };
  await inTurns(
    tried,
    async ([role, thief, other]) =>
      attempts.tried(
        kind,
        `${role} of ${thief.text} into ${other.text}`,
        await entering(role, thief, other.database),
        [DENIED],
      ),
    4,
  );
  // Where roles of two cells could meet: databases that belong to none.
  const shared = await stage.lab.ask<{ datname: string }>(
    'postgres',
    `select datname from pg_database where not starts_with(datname, 'relevo_') or starts_with(datname, 'relevo_schema_')`,
  );
  const [cell] = stage.cells;
  if (stage.lab.isEmbedded)
    for (const { datname } of shared)
      for (const role of CELL_ROLES)
        attempts.tried(
          'role in a database that is nobody’s',
          `${role} of ${cell.text} into ${datname}`,
          await entering(role, cell, datname),
          [DENIED, '55000'],
        );
  for (const own of stage.cells) {
    const met = await entering('reporting', own, own.database);
    attempts.allowed(kind, `reporting of ${own.text} into its own`, 'got' in met, JSON.stringify(met));
    attempts.allowed(
      'role in a database that is nobody’s',
      `reporting into its own`,
      'got' in met,
      JSON.stringify(met),
    );
  }
}

/** PostgreSQL refuses these in a transaction before it asks who may. */
const NO_TRANSACTION = /^(create|drop) database|^create subscription|^alter system/;

/** Statements are tried in a transaction that is rolled back, whatever comes of them. */
async function attempting(client: pg.Client, statement: string): Promise<Met> {
  try {
    if (!NO_TRANSACTION.test(statement)) await client.query('begin');
    await client.query(statement);
    return { got: statement.slice(0, 80) };
  } catch (error) {
    return metError(error);
  } finally {
    await client.query('rollback');
  }
}

const relationsOf = ({ lab }: Pick<Stage, 'lab'>, { database }: SealedCell): Promise<Relation[]> =>
  lab.ask<Relation & pg.QueryResultRow>(
    database,
    `select nspname as schema, relname as name, case when relkind = 'v' then 'v' else 'r' end as kind,
            (select quote_ident(attname) from pg_attribute
              where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = ''
              order by attnum limit 1) as column
       from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where relkind in ('r', 'v', 'm', 'p', 'f') and nspname !~ '^pg_' and nspname <> 'information_schema'
      order by 1, 2`,
  );

/** By the declarations: what this role has to do with a relation. */
function rightOf(role: string, { schema, name }: Relation): 'none' | 'read' | 'append' | 'write' {
  const service = services.find((each) => each.name === role);
  if (schema === role && service) return service.appendOnly ? 'append' : 'write';
  if (schema === 'reporting' && role === 'reporting') return 'read';
  if (schema === 'cell' && name !== 'schema_changes') {
    if (role === 'keys') return 'write';
    if (VAULT_ROLES.includes(role)) return 'read';
  }
  return 'none';
}

async function tryTables(
  stage: Stage,
  { cell, relations }: { cell: SealedCell; relations: readonly Relation[] },
  role: string,
  attempts: Attempts,
): Promise<void> {
  await as(stage, cell, role, async (client) => {
    for (const relation of relations) {
      const table = `${relation.schema}.${relation.name}`;
      const right = rightOf(role, relation);
      const { column } = relation;
      const trying = async (kind: string, statement: string) =>
        attempts.tried(kind, `${role} of ${cell.text}: ${statement}`, await attempting(client, statement), [
          DENIED,
          ...(relation.kind === 'v' ? [NOT_A_COLUMN] : []),
        ]);
      const beyond = 'role beyond its own schema';
      if (right === 'none') {
        await trying(beyond, `select * from ${table} limit 1`);
        await trying(beyond, `copy (select * from ${table}) to stdout`);
        await trying(beyond, `grant select on ${table} to public`);
        await trying(beyond, `lock table ${table} in access share mode`);
      } else {
        const met = await attempting(client, `select * from ${table} limit 1`);
        attempts.allowed(beyond, `${role} of ${cell.text} reads ${table}`, 'got' in met, JSON.stringify(met));
      }
      if (right === 'none' || right === 'read')
        for (const statement of [
          `insert into ${table} default values`,
          `update ${table} set ${column} = ${column} where false`,
          `delete from ${table} where false`,
        ])
          await trying(beyond, statement);
      if (right === 'append') {
        const kind = 'change of what is only appended';
        for (const statement of [
          `update ${table} set ${column} = ${column} where false`,
          `delete from ${table} where false`,
        ]) {
          const met = await attempting(client, statement);
          attempts.tried(
            kind,
            `${role} of ${cell.text}: ${statement}`,
            await byRight(stage, cell, met, { role, table }),
            [DENIED],
          );
        }
      }
      // Nobody but the owner changes what a table is, or empties it.
      for (const statement of [
        `alter table ${table} add column mine int`,
        `drop ${relation.kind === 'v' ? 'view' : 'table'} ${table}`,
        ...(relation.kind === 'r'
          ? [
              `truncate ${table}`,
              `create trigger mine before insert on ${table} execute function suppress_redundant_updates_trigger()`,
              `create index on ${table} (${column})`,
              `alter table ${table} disable trigger all`,
              `alter table ${table} owner to current_user`,
            ]
          : []),
      ])
        await trying('change of a table itself', statement);
    }
  });
  attempts.allowed(
    'change of a table itself',
    `the owner of ${cell.text} may`,
    true,
    'migrations of schemas ran',
  );
}

/** A trigger that refuses says the same code as a missing right: which of the two it was is asked of the catalogue. */
async function byRight(
  { lab }: Pick<Stage, 'lab'>,
  cell: SealedCell,
  met: Met,
  { role, table }: { role: string; table: string },
): Promise<Met> {
  const [{ may }] = await lab.ask<{ may: boolean }>(
    cell.database,
    `select has_table_privilege($1, $2, 'update') or has_table_privilege($1, $2, 'delete') as may`,
    [roleName(cell.name, role), table],
  );
  return may && 'guard' in met ? { guard: 'append-only trigger' } : met;
}

/** Ways out of the database into the server, into another role, or into what others resolve names by. */
async function tryServer(stage: Stage, cell: SealedCell, role: string, attempts: Attempts): Promise<void> {
  const own = roleName(cell.name, role);
  const sister = roleName(
    cell.name,
    CELL_ROLES.find((other) => other !== role)!,
  );
  const stranger = stage.cells.find(({ name }) => name.tenant !== cell.name.tenant)!;
  const statements: Readonly<Record<string, readonly string[]>> = {
    'way out into the server': [
      `copy (select 1) to program 'id'`,
      `copy (select 1) to '/tmp/relevo-proof-out'`,
      `select pg_read_file('PG_VERSION')`,
      `select pg_read_binary_file('global/pg_control')`,
      `select pg_ls_dir('.')`,
      `select pg_stat_file('PG_VERSION')`,
      `select lo_import('/etc/passwd')`,
      `select lo_export(1, '/tmp/relevo-proof-out')`,
      'create extension dblink schema pg_catalog',
      'create extension postgres_fdw schema pg_catalog',
      'create extension file_fdw schema pg_catalog',
      `create server mine foreign data wrapper postgres_fdw`,
      `load '$libdir/auto_explain'`,
      "alter system set log_statement = 'all'",
      `set log_statement = 'all'`,
      'set session_replication_role = replica',
      'select pg_reload_conf()',
      `select pg_create_physical_replication_slot('mine')`,
      'select pg_switch_wal()',
      'create subscription mine connection $$$$ publication mine',
      'create event trigger mine on ddl_command_end execute function suppress_redundant_updates_trigger()',
      `select pg_database_size('${stranger.database}')`,
    ],
    'becoming somebody else': [
      `set role "${sister}"`,
      `set session authorization "${sister}"`,
      `set role "${roleName(stranger.name, role)}"`,
      'set role postgres',
      `alter role "${own}" superuser`,
      `alter role "${own}" createdb createrole`,
      `alter role "${own}" bypassrls replication`,
      `alter role "${sister}" password 'mine'`,
      `alter role "${roleName(stranger.name, role)}" password 'mine'`,
      `grant "${sister}" to "${own}"`,
      `grant pg_read_all_data to "${own}"`,
      `grant pg_read_server_files to "${own}"`,
      'create role mine',
      'select * from pg_authid',
      'select * from pg_shadow',
      'select * from pg_hba_file_rules',
      'select setting from pg_file_settings',
      `select * from pg_largeobject`,
      `select umoptions from pg_user_mapping`,
      'create database mine',
      `alter database "${cell.database}" set search_path = mine`,
      `alter database "${stranger.database}" rename to mine`,
      `drop database "${stranger.database}"`,
    ],
    'thing planted where names are resolved': [
      'create schema mine',
      'create temp table cards (x int)',
      ...[...services.map(({ name }) => name), 'public', 'cell', 'reporting'].flatMap((schema) => [
        `create table ${schema}.mine (x int)`,
        `create view ${schema}.mine as select 1`,
        `create function ${schema}.now() returns timestamptz language sql security definer as 'select null::timestamptz'`,
        `create type ${schema}.mine as (x int)`,
      ]),
      'create function pg_temp.mine() returns int language sql as $$ select 1 $$',
      'create function pg_catalog.mine() returns int language sql as $$ select 1 $$',
      'create language plpython3u',
      'do language plperlu $$ 1 $$',
    ],
  };
  await as(stage, cell, role, async (client) => {
    for (const [kind, tried] of Object.entries(statements)) {
      for (const statement of tried)
        attempts.tried(kind, `${role} of ${cell.text}: ${statement}`, await attempting(client, statement), [
          DENIED,
          ...NOT_INSTALLED,
        ]);
      const met = await attempting(client, 'select 1');
      attempts.allowed(kind, `${role} of ${cell.text} asks at all`, 'got' in met, JSON.stringify(met));
    }
  });
}

/** A column of a view that is computed. */
const NOT_A_COLUMN = '428C9';

/** Not here at all: an extension or language that this server does not have, a file that is no library. */
const NOT_INSTALLED = ['0A000', '58P01', '42704'];

/** Even who owns the tables changes nothing that is only appended. */
async function tryAsOwner({ lab }: Stage, cell: SealedCell, attempts: Attempts): Promise<void> {
  const kind = 'change of what is only appended';
  for (const { name } of services.filter(({ appendOnly }) => appendOnly)) {
    const tables = await lab.ask<{ table: string; column: string }>(
      cell.database,
      `select format('%I.%I', schemaname, tablename) as table,
              (select quote_ident(attname) from pg_attribute
                where attrelid = format('%I.%I', schemaname, tablename)::regclass and attnum = 1) as column
         from pg_tables where schemaname = $1`,
      [name],
    );
    const client = await lab.connect(cell.database);
    try {
      for (const { table, column } of tables) {
        for (const statement of [
          `update ${table} set ${column} = ${column}`,
          `delete from ${table}`,
          `truncate ${table}`,
          `set local session_replication_role = replica; delete from ${table}`,
        ])
          attempts.tried(
            kind,
            `the owner in ${cell.text}: ${statement}`,
            await attempting(client, statement),
            [DENIED],
          );
        const met = await attempting(client, `select * from ${table}`);
        attempts.allowed(kind, `the owner reads ${table}`, 'got' in met, JSON.stringify(met));
      }
    } finally {
      await client.end();
    }
  }
}

/** What reporting reads is masked: no card number, no bytes, nothing by which a person or a card is found again. */
async function tryReporting(stage: Stage, cell: SealedCell, attempts: Attempts): Promise<void> {
  const kind = 'reporting beyond what is masked';
  const personal = await personalValues(stage, cell);
  await as(stage, cell, 'reporting', async (client) => {
    const views = (await relationsOf(stage, cell)).filter(({ schema }) => schema === 'reporting');
    for (const { schema, name } of views) {
      const { rows, fields } = await client.query({
        text: `select * from ${schema}.${name}`,
        rowMode: 'array',
      });
      const text = JSON.stringify(rows);
      const bad = fields.find(
        ({ name: column, dataTypeID }) =>
          dataTypeID === pg.types.builtins.BYTEA || /sealed|index|_mac|^pin|code_hash|secret/.test(column),
      );
      const leaked =
        bad?.name ??
        (cell.pans.some((pan) => text.includes(pan))
          ? 'a card number'
          : personal.find((each) => text.includes(each)));
      attempts.compared(
        kind,
        `${schema}.${name} of ${cell.text}`,
        leaked === undefined,
        'masked',
        `it shows ${leaked}`,
      );
      attempts.allowed(kind, `${schema}.${name} is read`, true, `${rows.length} rows`);
    }
  });
}

async function personalValues({ lab }: Stage, { database }: SealedCell): Promise<string[]> {
  const columns = await lab.ask<{ column: string }>(
    database,
    `select quote_ident(column_name) as column from information_schema.columns
      where table_schema = 'cardholders' and table_name = 'cardholders' and data_type = 'text'
        and column_name ~ 'name|document|mail|phone|address|birth' and column_name !~ 'type'`,
  );
  if (columns.length === 0) return [];
  const rows = await lab.ask<Record<string, string | null>>(
    database,
    `select ${columns.map(({ column }) => column).join(', ')} from cardholders.cardholders limit 50`,
  );
  return rows
    .flatMap((row) => Object.values(row))
    .filter((value): value is string => (value?.length ?? 0) > 6);
}

/** What PostgreSQL shares over databases: sessions, notifications, advisory locks, large objects. */
async function tryAcross(stage: Stage, attempts: Attempts): Promise<void> {
  const [here] = stage.populated;
  const other = stage.populated.find(({ name }) => name.tenant !== here.name.tenant)!;
  const [mine, theirs, sister] = await Promise.all([
    enter(stage, here, 'cards'),
    enter(stage, other, 'cards'),
    enter(stage, here, 'ledger'),
  ]);
  try {
    const kind = 'meeting of sessions of two cells';
    const { rows } = await theirs.query<{ pid: number }>('select pg_backend_pid() as pid');
    for (const what of ['pg_terminate_backend', 'pg_cancel_backend', 'pg_log_backend_memory_contexts'])
      attempts.tried(
        kind,
        `${what} of a session of ${other.text} from ${here.text}`,
        await attempting(mine, `select ${what}(${rows[0].pid})`),
        [DENIED],
      );
    await theirs.query('select 1 as canary_of_a_statement');
    const seen = await mine.query(
      `select * from pg_stat_activity where query like '%canary_of_a_statement%' and pid <> pg_backend_pid()`,
    );
    attempts.compared(
      kind,
      `statements of ${other.text} in pg_stat_activity`,
      seen.rowCount === 0,
      'not shown',
      'a statement',
    );
    await theirs.query(`set application_name = 'told to everybody'`);
    const told: string[] = [];
    mine.on('notification', ({ payload }) => told.push(payload ?? ''));
    await mine.query('listen news');
    await theirs.query(`notify news, 'of the other cell'`);
    await sister.query(`notify news, 'of this cell'`);
    await mine.query('select pg_sleep(0.1)');
    attempts.compared(
      kind,
      'a notification of another cell',
      !told.includes('of the other cell'),
      'not delivered',
      told.join(),
    );
    attempts.allowed(kind, 'a notification of this cell', told.includes('of this cell'), told.join());
    await theirs.query('select pg_advisory_lock(4242)');
    const locked = await mine.query<{ ok: boolean }>('select pg_try_advisory_lock(4242) as ok');
    attempts.compared(
      kind,
      'an advisory lock of another cell',
      locked.rows[0].ok,
      'no effect',
      'it holds here, too',
    );
    const again = await sister.query<{ ok: boolean }>('select pg_try_advisory_lock(4242) as ok');
    attempts.allowed(
      kind,
      'an advisory lock of this cell holds',
      !again.rows[0].ok,
      String(again.rows[0].ok),
    );
    const made = await mine.query<{ oid: number }>(`select lo_from_bytea(0, 'left here') as oid`);
    const { oid } = made.rows[0];
    attempts.tried(
      kind,
      'a large object of another role',
      await attempting(sister, `select lo_get(${oid})`),
      [DENIED],
    );
    attempts.tried(
      kind,
      'a large object of another cell',
      await attempting(theirs, `select lo_get(${oid})`),
      ['42704'],
    );
    attempts.allowed(
      kind,
      'a large object of its own',
      (await mine.query(`select lo_get(${oid})`)).rowCount === 1,
      '',
    );
    await mine.query(`select lo_unlink(${oid})`);
  } finally {
    await Promise.all([mine.end(), theirs.end(), sister.end()]);
  }
}
