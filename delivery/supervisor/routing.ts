import type { JWK } from 'jose';
import type { RoutingTable } from '#gateway/routing-table.ts';
import { publicJwk } from '#services/access/oauth/signing-keys.ts';
import { publicOperations } from '#services/public.ts';
import { cellFilePath, readCellFile } from '../cells/cell-file.ts';
import { type CellName, cellText, type Environment } from '../cells/cell-name.ts';
import { readPlatform, stampOf } from '../cells/read-platform.ts';
import type { EnvironmentTerms } from '../cells/tenant-file.ts';

const HTTPS = 443;

/** `iss` and `aud` of the tokens of a cell: where its clients find it. */
export const issuerOf = (host: string, port: number): string =>
  `https://${host}${port === HTTPS ? '' : `:${port}`}`;

export interface RoutedCell {
  readonly cell: string;
  readonly issuer: string;
  readonly terms: EnvironmentTerms;
}

export interface Routing {
  readonly table: RoutingTable;
  readonly cells: ReadonlyMap<string, RoutedCell>;
}

/** Public halves of token keys as they were read last, by path: this is asked twice a second, and cell files rarely change. */
const remembered = new Map<string, { readonly stamp: string; readonly keys: readonly JWK[] | null }>();

async function readTokenKeys(home: string, name: CellName): Promise<readonly JWK[] | null> {
  const path = cellFilePath(home, name);
  const stamp = await stampOf(path);
  const known = remembered.get(path);
  if (known?.stamp === stamp) return known.keys;
  const keys = (await readCellFile(home, name))?.tokenKeys?.map(publicJwk) ?? null;
  remembered.set(path, { stamp, keys });
  return keys;
}

/** What is in service in a home, as the gateway has to know it. `port` is the one that clients know. */
export async function readRouting(home: string, port: number): Promise<Routing> {
  const inService = (await readPlatform(home)).flatMap(({ tenant, environments }) =>
    Object.entries(environments).map(([environment, terms]) => ({
      name: { tenant, environment: environment as Environment },
      terms,
    })),
  );
  const routes = await Promise.all(
    inService.map(async ({ name, terms }) => {
      const tokenKeys = await readTokenKeys(home, name);
      // One of an earlier release has no token keys: it is not reached before it has been brought to this one.
      if (!tokenKeys) return [];
      const cell = cellText(name);
      const issuer = issuerOf(terms.host, port);
      const route = {
        cell,
        tenant: name.tenant,
        host: terms.host,
        issuer,
        keys: tokenKeys,
        limits: terms.limits,
        live: { cell, colour: 'blue' as const },
      };
      return [{ route, routed: { cell, issuer, terms } }];
    }),
  );
  return {
    table: { cells: routes.flat().map(({ route }) => route), operations: publicOperations },
    cells: new Map(routes.flat().map(({ routed }) => [routed.cell, routed])),
  };
}
