import type pg from 'pg';
import { KEY_PURPOSES } from '#runtime/vault/vault.ts';
import { readCellFile } from './cell-file.ts';
import { type CellName, databaseName, roleName } from './cell-name.ts';
import { CELL_ROLES } from './cell-roles.ts';
import { onDatabase } from './on-database.ts';
import { rightsDrift, rolesDrift } from './read-grants.ts';
import { grantText } from './rights.ts';
import { releaseChanges } from './schema-changes.ts';

/**
 * How much of a cell is here.
 *  - `absent`: nothing.
 *  - `foreign`: a database or roles of its name, but no cell file: another home made them.
 *  - `half`: its file, and not all else: whoever made it was cut short. Finishing it is safe.
 *  - `whole`: all of it; `differences` tells what is not of this release or not as declared.
 */
export type CellPresence = 'absent' | 'foreign' | 'half' | 'whole';

export interface CellDifferences {
  /** Roles of this release that the server or the cell file does not have. */
  readonly rolesMissing: readonly string[];
  /** Roles that are more than they should be, or cannot log in. */
  readonly rolesWrong: readonly string[];
  /** Changes of this release that the database has not had, as `ledger/0002-live-movements`. */
  readonly changesMissing: readonly string[];
  /** Changes that this release does not know: a later one has been here. */
  readonly changesUnknown: readonly string[];
  readonly dataKeysMissing: readonly string[];
  /** The keys for API clients, which cells of an earlier release do not have. */
  readonly tokenKeysMissing: boolean;
  /** Rights that the declarations give and the catalog does not have. */
  readonly rightsMissing: readonly string[];
  /** Rights in the catalog that no declaration gives, and memberships of the cell's roles in others. */
  readonly rightsBeyond: readonly string[];
}

export interface CellState {
  readonly presence: CellPresence;
  readonly differences: CellDifferences;
}

export const NO_DIFFERENCES: CellDifferences = {
  rolesMissing: [],
  rolesWrong: [],
  changesMissing: [],
  changesUnknown: [],
  dataKeysMissing: [],
  tokenKeysMissing: false,
  rightsMissing: [],
  rightsBeyond: [],
};

/** Looks at a cell without changing anything. `client` is connected to any database of the server. */
export async function readCellState(
  client: pg.Client,
  adminUrl: string,
  home: string,
  name: CellName,
): Promise<CellState> {
  const file = await readCellFile(home, name);
  const roles = await rolesDrift(client, name);
  const { rowCount: databases } = await client.query('select from pg_database where datname = $1', [
    databaseName(name),
  ]);
  if (!file) {
    const isHere = databases || roles.missing.length < CELL_ROLES.length;
    return { presence: isHere ? 'foreign' : 'absent', differences: NO_DIFFERENCES };
  }
  if (!databases) return { presence: 'half', differences: NO_DIFFERENCES };
  return onDatabase(adminUrl, databaseName(name), async (database) => {
    const inside = await lookInside(database);
    if (!inside) return { presence: 'half', differences: NO_DIFFERENCES };
    const changes = await releaseChanges();
    const changesUnknown = [...inside.changes].filter((change) => !changes.includes(change));
    // A later release knows why its rights are as they are.
    const rights =
      changesUnknown.length > 0 ? { missing: [], beyond: [] } : await rightsDrift(database, name);
    // Rights of a role that is missing are missing with it, and are not told one by one.
    const missing = new Set(roles.missing.map((role) => roleName(name, role)));
    const differences: CellDifferences = {
      rolesMissing: CELL_ROLES.filter((role) => roles.missing.includes(role) || !(role in file.passwords)),
      rolesWrong: roles.wrong,
      changesMissing: changes.filter((change) => !inside.changes.has(change)),
      changesUnknown,
      dataKeysMissing: KEY_PURPOSES.filter((purpose) => !inside.purposes.has(purpose)),
      tokenKeysMissing: !file.tokenKeys || !file.clientSecretKey,
      rightsMissing: rights.missing.filter(({ grantee }) => !missing.has(grantee)).map(grantText),
      rightsBeyond: [...roles.memberships, ...rights.beyond.map(grantText)],
    };
    return { presence: inside.hasOwnKey ? 'whole' : 'half', differences };
  });
}

interface Inside {
  readonly changes: ReadonlySet<string>;
  readonly purposes: ReadonlySet<string>;
  /** The OpenPGP key is the last thing that a cell gets. */
  readonly hasOwnKey: boolean;
}

/** Null where not even the first tables are there. */
async function lookInside(database: pg.Client): Promise<Inside | null> {
  const { rows } = await database.query<{ whole: boolean }>(
    `select to_regclass('cell.schema_changes') is not null and to_regclass('cell.data_keys') is not null
        and to_regclass('cell.openpgp_keys') is not null as whole`,
  );
  if (!rows[0].whole) return null;
  const { rows: facts } = await database.query<{ changes: string[]; purposes: string[]; own: boolean }>(
    `select array(select schema || '/' || change from cell.schema_changes) as changes,
            array(select distinct purpose from cell.data_keys) as purposes,
            exists (select from cell.openpgp_keys where owner = 'cell') as own`,
  );
  return {
    changes: new Set(facts[0].changes),
    purposes: new Set(facts[0].purposes),
    hasOwnKey: facts[0].own,
  };
}

/** Whether a cell is all that this release makes of one. What a later release has added is not for this one to judge. */
export const lacksNothing = ({ presence, differences }: CellState): boolean =>
  presence === 'whole' &&
  !differences.tokenKeysMissing &&
  [
    differences.rolesMissing,
    differences.rolesWrong,
    differences.changesMissing,
    differences.dataKeysMissing,
    differences.rightsMissing,
  ].every((list) => list.length === 0);

/** And whether nobody may do more than was declared. */
export const isAsDeclared = (state: CellState): boolean =>
  lacksNothing(state) && state.differences.rightsBeyond.length === 0;
