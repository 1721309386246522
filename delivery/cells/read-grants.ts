import type pg from 'pg';
import { type CellName, roleName } from './cell-name.ts';
import { CELL_ROLES } from './cell-roles.ts';
import {
  compareGrants,
  declaredGrants,
  type Grant,
  type ObjectKind,
  type Relation,
  type RightsDrift,
} from './rights.ts';

const OURS = `nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp)'`;

/**
 * Every right that somebody other than its owner has in this database, and on it. What PostgreSQL gives everybody on
 * functions and types without saying so (execute, usage) reaches nobody who may not use their schema.
 */
const GRANTS = `
  with granted as (
    select 'database' as kind, quote_ident(datname) as object, datdba as owner,
           coalesce(datacl, acldefault('d', datdba)) as acl
      from pg_database where datname = current_database()
    union all
    select 'schema', quote_ident(nspname), nspowner, nspacl from pg_namespace where ${OURS}
    union all
    select case relkind when 'S' then 'sequence' else 'table' end,
           format('%I.%I', nspname, relname), relowner, relacl
      from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where ${OURS} and relkind in ('r', 'v', 'm', 'p', 'f', 'S')
    union all
    select 'column', format('%I (%I.%I)', attname, nspname, relname), relowner, attacl
      from pg_attribute join pg_class on pg_class.oid = attrelid
      join pg_namespace on pg_namespace.oid = relnamespace
     where ${OURS} and attacl is not null and not attisdropped
    union all
    select 'function', format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(pg_proc.oid)),
           proowner, proacl
      from pg_proc join pg_namespace on pg_namespace.oid = pronamespace where ${OURS} and proacl is not null
    union all
    select 'type', format('%I.%I', nspname, typname), typowner, typacl
      from pg_type join pg_namespace on pg_namespace.oid = typnamespace where ${OURS} and typacl is not null
  )
  select kind, object, privilege_type as privilege, coalesce(rolname, 'public') as grantee
    from granted cross join lateral aclexplode(acl) as each left join pg_roles on pg_roles.oid = each.grantee
   where each.grantee <> owner
     -- What a type and a function are given by default is not a grant of anybody's.
     and not (kind in ('function', 'type') and each.grantee = 0)`;

const RELATIONS = `
  select nspname as schema, relname as name, case relkind when 'S' then 'sequence' else 'table' end as kind
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
   where ${OURS} and relkind in ('r', 'v', 'm', 'p', 'f', 'S')`;

/** How the rights in a cell's database differ from what its declarations give. Nothing is written. */
export async function rightsDrift(client: pg.Client, cell: CellName): Promise<RightsDrift> {
  const grants = await client.query<Grant & { kind: ObjectKind }>(GRANTS);
  const relations = await client.query<Relation>(RELATIONS);
  const schemas = await client.query<{ name: string }>(
    `select nspname as name from pg_namespace where ${OURS}`,
  );
  // A schema that is not here yet is told of as a change that is missing.
  const here = new Set(schemas.rows.map(({ name }) => name));
  const declared = declaredGrants(cell, relations.rows).filter(
    ({ kind, object }) => kind !== 'schema' || here.has(object),
  );
  return compareGrants(declared, grants.rows);
}

/** Takes away what nobody declared, in the database that `client` is connected to; answers how many rights. */
export async function revokeBeyond(client: pg.Client, { beyond }: RightsDrift): Promise<number> {
  const statements = beyond.map(({ grantee, privilege, kind, object }) => {
    const from = grantee === 'public' ? 'public' : `"${grantee.replaceAll('"', '""')}"`;
    if (kind === 'column') {
      const [, column, table] = /^(.*) \((.*)\)$/s.exec(object)!;
      return `revoke ${privilege} (${column}) on ${table} from ${from} cascade`;
    }
    return `revoke ${privilege} on ${kind} ${object} from ${from} cascade`;
  });
  if (statements.length > 0) await client.query(statements.join(';\n'));
  return statements.length;
}

export interface RolesDrift {
  readonly missing: string[];
  /** Roles that are more than they should be, or less, in words. */
  readonly wrong: string[];
  readonly memberships: string[];
}

export async function rolesDrift(client: pg.Client, cell: CellName): Promise<RolesDrift> {
  const { rows } = await client.query<{ name: string; powers: string[]; memberships: string[] }>(
    `select rolname as name,
            array_remove(array[
              case when rolsuper then 'is a superuser' end,
              case when rolcreaterole then 'may make roles' end,
              case when rolcreatedb then 'may make databases' end,
              case when rolreplication then 'may replicate' end,
              case when rolbypassrls then 'passes row security by' end,
              case when rolinherit then 'inherits' end,
              case when not rolcanlogin then 'cannot log in' end
            ], null) as powers,
            array(
              select granted.rolname::text from pg_auth_members
                join pg_roles as granted on granted.oid = roleid where member = pg_roles.oid order by 1
            ) as memberships
       from pg_roles where rolname = any($1)`,
    [CELL_ROLES.map((role) => roleName(cell, role))],
  );
  const found = new Map(rows.map((row) => [row.name, row]));
  const known = CELL_ROLES.flatMap((role) => {
    const row = found.get(roleName(cell, role));
    return row ? [{ role, ...row }] : [];
  });
  return {
    missing: CELL_ROLES.filter((role) => !found.has(roleName(cell, role))),
    wrong: known.flatMap(({ role, powers }) => powers.map((power) => `${role} ${power}`)),
    memberships: known.flatMap(({ name, memberships }) =>
      memberships.map((granted) => `membership in ${granted} for ${name}`),
    ),
  };
}
