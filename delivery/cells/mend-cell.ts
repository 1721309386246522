import pg from 'pg';
import { type CellName, databaseName, roleName } from './cell-name.ts';
import { CELL_ROLES } from './cell-roles.ts';
import { onDatabase } from './on-database.ts';
import { revokeBeyond, rightsDrift } from './read-grants.ts';

/** Takes from a cell's roles, and from everybody else in its database, what no declaration gives them. */
export async function takeAwayUndeclared(adminUrl: string, name: CellName): Promise<void> {
  await onDatabase(adminUrl, databaseName(name), async (client) => {
    const { rows } = await client.query<{ granted: string; member: string }>(
      `select granted.rolname as granted, members.rolname as member from pg_auth_members
         join pg_roles as granted on granted.oid = roleid join pg_roles as members on members.oid = member
        where members.rolname = any($1)`,
      [CELL_ROLES.map((role) => roleName(name, role))],
    );
    for (const { granted, member } of rows)
      await client.query(`revoke ${pg.escapeIdentifier(granted)} from ${pg.escapeIdentifier(member)}`);
    await revokeBeyond(client, await rightsDrift(client, name));
  });
}
