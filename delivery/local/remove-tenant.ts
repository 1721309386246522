import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Server } from '#runtime/postgres/server.ts';
import { databaseName, ENVIRONMENTS, roleName } from '../cells/cell-name.ts';
import { CELL_ROLES } from '../cells/cell-roles.ts';

/** Removes a tenant's cells for good: databases, roles, key files, results, and the folder of what was made for it. */
export async function removeTenant(
  server: Server,
  home: string,
  tenant: string,
  folder: string,
): Promise<void> {
  const client = new pg.Client({ connectionString: server.adminUrl, application_name: 'relevo cells' });
  await client.connect();
  try {
    for (const environment of ENVIRONMENTS) {
      const name = { tenant, environment };
      await client.query(`drop database if exists "${databaseName(name)}" with (force)`);
      for (const role of CELL_ROLES) await client.query(`drop role if exists "${roleName(name, role)}"`);
    }
  } finally {
    await client.end();
  }
  await rm(join(home, 'cells', tenant), { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
