import pg from 'pg';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { databaseName, ENVIRONMENTS, type Environment, parseTenant } from '../cells/cell-name.ts';
import { type CellState, readCellState } from '../cells/cell-state.ts';
import { type KnownTenant, readTenants } from '../cells/read-platform.ts';
import type { EnvironmentTerms } from '../cells/tenant-file.ts';

export interface ShownCell {
  readonly environment: Environment;
  /** Null for a cell of an earlier release that has no terms yet. */
  readonly terms: EnvironmentTerms | null;
  readonly isInService: boolean;
  readonly state: CellState;
  /** Null where there is no database. */
  readonly databaseBytes: number | null;
}

export async function findTenant(home: string, tenant: string): Promise<KnownTenant> {
  parseTenant(tenant);
  const tenants = await readTenants(home);
  const found = tenants.find(({ terms }) => terms.tenant === tenant);
  if (found) return found;
  const known = tenants.map(({ terms }) => terms.tenant).join(', ');
  throw new Refusal('unknown_tenant', `No tenant ${tenant} is known in ${home}.`, {
    advice: known ? `Known tenants: ${known}.` : `Add it with: relevo tenant add ${tenant}`,
  });
}

/** Each cell of a tenant with what the server knows of it. Nothing is changed. */
export async function showCells(
  server: Server,
  home: string,
  { terms, cells }: KnownTenant,
): Promise<ShownCell[]> {
  const client = new pg.Client({ connectionString: server.adminUrl, application_name: 'relevo cells' });
  client.on('error', () => {}); // the pending call is told as well
  try {
    await client.connect();
    const shown: ShownCell[] = [];
    for (const environment of ENVIRONMENTS) {
      if (!terms.environments[environment] && !cells.includes(environment)) continue;
      const name = { tenant: terms.tenant, environment };
      const { rows } = await client.query<{ bytes: string }>(
        'select pg_database_size(oid) as bytes from pg_database where datname = $1',
        [databaseName(name)],
      );
      shown.push({
        environment,
        terms: terms.environments[environment] ?? null,
        isInService: cells.includes(environment) && !(terms.making ?? []).includes(environment),
        state: await readCellState(client, server.adminUrl, home, name),
        databaseBytes: rows.length > 0 ? Number(rows[0].bytes) : null,
      });
    }
    return shown;
  } finally {
    await client.end().catch(() => {});
  }
}
