import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Server } from '#runtime/postgres/server.ts';
import { withOwner } from '../backup/snapshot.ts';
import { cellsFolder } from '../cells/cell-file.ts';
import { ENVIRONMENTS } from '../cells/cell-name.ts';
import { dropCell } from '../removal/drop-cell.ts';

/**
 * Takes away what a demo, a rehearsal, a proof or a test has made: a tenant's cells, whoever is connected, and the
 * folder of what was made for it. A tenant of somebody's is removed by `removal/remove-tenant.ts`.
 */
export async function removeTenant(
  server: Server,
  home: string,
  tenant: string,
  folder: string,
): Promise<void> {
  await withOwner(server.adminUrl, 'relevo cells', async (admin) => {
    for (const environment of ENVIRONMENTS) await dropCell(admin, { tenant, environment }, { force: true });
  });
  await rm(join(cellsFolder(home), tenant), { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
