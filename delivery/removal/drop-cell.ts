import type pg from 'pg';
import { crashPoint } from '#runtime/crash-point.ts';
import { besideNames } from '../backup/beside-names.ts';
import { unlessInUse } from '../backup/cell-in-use.ts';
import { type CellName, databaseName, roleName } from '../cells/cell-name.ts';
import { CELL_ROLES } from '../cells/cell-roles.ts';

/**
 * Drops a cell's databases, those that a restore has left beside it too, and its roles. What is gone already is passed
 * over. `force` throws out whoever is connected; without it PostgreSQL refuses while anybody is.
 */
export async function dropCell(
  admin: pg.Client,
  name: CellName,
  { force = false }: { force?: boolean } = {},
): Promise<void> {
  for (const database of [databaseName(name), ...Object.values(besideNames(name))])
    await unlessInUse(admin, name, () =>
      admin.query(`drop database if exists "${database}" ${force ? 'with (force)' : ''}`),
    );
  crashPoint('removal:database-dropped');
  for (const role of CELL_ROLES) await admin.query(`drop role if exists "${roleName(name, role)}"`);
  crashPoint('removal:roles-dropped');
}
