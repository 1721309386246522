import { services } from '#services/all.ts';
import { CELL_ROLES, VAULT_ROLES } from './cell-roles.ts';
import { type CellName, databaseName, roleName } from './cell-name.ts';

/** What a role may do in its cell's database. */
interface Right {
  readonly role: string;
  readonly schema: string;
  /** The schema itself, everything of a kind in it, or these tables. */
  readonly on: 'schema' | 'tables' | 'sequences' | readonly string[];
  readonly privileges: readonly string[];
}

const KEY_TABLES = ['data_keys', 'openpgp_keys'];
const ALL_ROWS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/**
 * Least privilege, from the declarations: a service writes its own schema and reads nothing else. One that only
 * appends may not even change what it wrote. Whatever is not in this list, nobody but the owner may.
 */
const RIGHTS: readonly Right[] = [
  ...services.flatMap(({ name, appendOnly }): Right[] => [
    { role: name, schema: name, on: 'schema', privileges: ['USAGE'] },
    { role: name, schema: name, on: 'tables', privileges: appendOnly ? ['SELECT', 'INSERT'] : ALL_ROWS },
    { role: name, schema: name, on: 'sequences', privileges: ['USAGE'] },
  ]),
  ...VAULT_ROLES.flatMap((role): Right[] => [
    { role, schema: 'cell', on: 'schema', privileges: ['USAGE'] },
    { role, schema: 'cell', on: KEY_TABLES, privileges: ['SELECT'] },
  ]),
  { role: 'keys', schema: 'cell', on: 'schema', privileges: ['USAGE'] },
  { role: 'keys', schema: 'cell', on: KEY_TABLES, privileges: ALL_ROWS },
  { role: 'reporting', schema: 'reporting', on: 'schema', privileges: ['USAGE'] },
  { role: 'reporting', schema: 'reporting', on: 'tables', privileges: ['SELECT'] },
];

/** Statements that give each role of a cell its rights; they can be repeated. */
export function grants(cell: CellName): string {
  const role = (name: string) => `"${roleName(cell, name)}"`;
  const object = ({ schema, on }: Right): string => {
    if (on === 'schema') return `schema ${schema}`;
    if (typeof on === 'string') return `all ${on} in schema ${schema}`;
    return on.map((table) => `${schema}.${table}`).join(', ');
  };
  return [
    ...services
      .filter(({ appendOnly }) => appendOnly)
      .map(
        ({ name }) => `revoke update, delete, truncate on all tables in schema ${name} from ${role(name)}`,
      ),
    ...RIGHTS.map(
      (right) => `grant ${right.privileges.join(', ')} on ${object(right)} to ${role(right.role)}`,
    ),
    ...CELL_ROLES.map((name) => `alter role ${role(name)} set search_path = ''`),
  ].join(';\n');
}

export type ObjectKind = 'database' | 'schema' | 'table' | 'column' | 'sequence' | 'function' | 'type';

/** One right of one grantee, as PostgreSQL keeps it. `object` is written as a statement would name it. */
export interface Grant {
  readonly grantee: string;
  readonly privilege: string;
  readonly kind: ObjectKind;
  readonly object: string;
}

/** What there is to have rights on. */
export interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'sequence';
}

/** What everybody has on a new database's schema `public`: to look into it, and it is empty. */
const BY_DEFAULT: readonly Grant[] = [
  { grantee: 'public', privilege: 'USAGE', kind: 'schema', object: 'public' },
];

/** The rights that there should be, on the relations that there are. */
export function declaredGrants(cell: CellName, relations: readonly Relation[]): Grant[] {
  const connect = CELL_ROLES.map((role): Grant => ({
    grantee: roleName(cell, role),
    privilege: 'CONNECT',
    kind: 'database',
    object: databaseName(cell),
  }));
  const inside = RIGHTS.flatMap(({ role, schema, on, privileges }) => {
    const grantee = roleName(cell, role);
    const named = on === 'schema' || typeof on === 'string' ? null : new Set(on);
    const objects: { kind: ObjectKind; object: string }[] =
      on === 'schema'
        ? [{ kind: 'schema', object: schema }]
        : relations
            .filter((each) => each.schema === schema)
            .filter(({ name, kind }) => (named ? named.has(name) : `${kind}s` === on))
            .map(({ name, kind }) => ({ kind, object: `${schema}.${name}` }));
    return objects.flatMap(({ kind, object }) =>
      privileges.map((privilege): Grant => ({ grantee, privilege, kind, object })),
    );
  });
  return [...connect, ...inside];
}

export const grantText = ({ grantee, privilege, kind, object }: Grant): string =>
  `${privilege} on ${kind} ${object} for ${grantee}`;

export interface RightsDrift {
  readonly missing: readonly Grant[];
  /** What somebody may, and nobody declared. */
  readonly beyond: readonly Grant[];
}

export function compareGrants(declared: readonly Grant[], actual: readonly Grant[]): RightsDrift {
  const wanted = new Set([...declared, ...BY_DEFAULT].map(grantText));
  const there = new Set(actual.map(grantText));
  return {
    missing: declared.filter((grant) => !there.has(grantText(grant))),
    beyond: actual.filter((grant) => !wanted.has(grantText(grant))),
  };
}
