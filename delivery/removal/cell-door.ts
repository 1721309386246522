import type pg from 'pg';
import type { Server } from '#runtime/postgres/server.ts';
import { refuseInUse } from '../backup/cell-in-use.ts';
import { type CellName, databaseName, roleName } from '../cells/cell-name.ts';
import { CELL_ROLES } from '../cells/cell-roles.ts';
import { urlOfDatabase } from '../cells/on-database.ts';

/**
 * Lets none of a cell's own roles in any more, and refuses if one is in already: from then on the cell stays as it is.
 * A removal that was given up behind this leaves the door shut; `tenant add` opens it, as it does for every cell.
 */
export async function shutDoor(admin: pg.Client, name: CellName): Promise<void> {
  const roles = await knownRoles(admin, name);
  if (roles.length > 0)
    await admin.query(`revoke connect on database "${databaseName(name)}" from ${roles.join(', ')}`);
  try {
    await refuseInUse(admin, name);
  } catch (error) {
    await openDoor(admin, name);
    throw error;
  }
}

export async function openDoor(admin: pg.Client, name: CellName): Promise<void> {
  const roles = await knownRoles(admin, name);
  if (roles.length > 0)
    await admin.query(`grant connect on database "${databaseName(name)}" to ${roles.join(', ')}`);
}

/** A tenant that was added by half may lack some. */
async function knownRoles(admin: pg.Client, name: CellName): Promise<string[]> {
  const { rows } = await admin.query<{ role: string }>(
    'select rolname as role from pg_roles where rolname = any($1)',
    [CELL_ROLES.map((role) => roleName(name, role))],
  );
  return rows.map(({ role }) => `"${role}"`);
}

/** The same server, whose databases are entered by the owner: the cell's own roles are shut out. */
export const asOwner = (server: Server): Server => ({
  ...server,
  urlFor: (database) => urlOfDatabase(server.adminUrl, database),
});
