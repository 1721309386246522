import pg from 'pg';
import type { Server } from '#runtime/postgres/server.ts';
import { type CellName, type Environment, ENVIRONMENTS } from '../cells/cell-name.ts';
import { type CellState, readCellState } from '../cells/cell-state.ts';
import { readTenants } from '../cells/read-platform.ts';
import { defaultTenant } from '../cells/tenant-file.ts';
import type { DeclaredTenant } from './parse-platform.ts';
import type { ActualPlatform, ActualTenant } from './plan-changes.ts';

/** Cells looked at side by side: each takes a connection of its own, and the server may have few to spare. */
const AT_ONCE = 4;

/** Everything that is here, and what there is of the cells that are declared. Nothing is changed. */
export async function readActual(
  server: Server,
  home: string,
  declared: readonly DeclaredTenant[],
): Promise<ActualPlatform> {
  const known = new Map((await readTenants(home)).map((tenant) => [tenant.terms.tenant, tenant]));
  const tenants = new Map<string, Set<Environment>>();
  const look = (tenant: string, environments: readonly string[]) => {
    const all = tenants.get(tenant) ?? new Set();
    for (const environment of ENVIRONMENTS) if (environments.includes(environment)) all.add(environment);
    tenants.set(tenant, all);
  };
  for (const { tenant, environments } of declared) look(tenant, Object.keys(environments));
  for (const [tenant, { terms, cells }] of known)
    look(tenant, [...cells, ...Object.keys(terms.environments)]);
  const names = [...tenants].flatMap(([tenant, environments]) =>
    [...environments].map((environment): CellName => ({ tenant, environment })),
  );
  const states = await statesOf(server, home, names);
  return new Map(
    [...tenants.keys()].map((tenant): [string, ActualTenant] => {
      const found = known.get(tenant);
      const cells = states
        .filter(([name]) => name.tenant === tenant)
        .map(([{ environment }, state]) => [environment, state] as const);
      return [
        tenant,
        {
          terms: found?.terms ?? defaultTenant(tenant, []),
          hasFile: found?.hasFile ?? false,
          cells: Object.fromEntries(cells),
        },
      ];
    }),
  );
}

async function statesOf(
  server: Server,
  home: string,
  names: readonly CellName[],
): Promise<[CellName, CellState][]> {
  const states: [CellName, CellState][] = [];
  const waiting = [...names];
  const look = async () => {
    const client = new pg.Client({ connectionString: server.adminUrl, application_name: 'relevo cells' });
    client.on('error', () => {}); // the pending call is told as well
    try {
      await client.connect();
      for (let name = waiting.shift(); name; name = waiting.shift())
        states.push([name, await readCellState(client, server.adminUrl, home, name)]);
    } finally {
      await client.end().catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, names.length) }, look));
  return states;
}
