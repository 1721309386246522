import { hash } from 'node:crypto';
import { createLocalJWKSet } from 'jose';
import type { PublicRoute } from '#declare/http.ts';
import { Refusal } from '#runtime/refusal.ts';
import { isHostName } from './host-name.ts';
import { PathTemplates } from './path-templates.ts';
import type { CellRoute, RoutedOperation, RoutingTable } from './routing-table.ts';

/** What of a host the gateway answers by itself, without waking the cell. */
export type OwnPage = 'health' | 'openapi' | 'docs';

/** What a request of some method and path means. */
export type Endpoint =
  | { readonly kind: 'operation'; readonly template: string; readonly http: PublicRoute }
  /** Forwarded without a token: how a client gets one, and how it checks one. */
  | { readonly kind: 'open'; readonly template: string; readonly takesForm: boolean }
  | { readonly kind: 'own'; readonly template: string; readonly page: OwnPage };

export const TOKEN_PATH = '/oauth/token';

const FIXED: readonly (readonly [string, Endpoint])[] = [
  ['POST', { kind: 'open', template: TOKEN_PATH, takesForm: true }],
  ['GET', { kind: 'open', template: '/oauth/jwks', takesForm: false }],
  ['GET', { kind: 'open', template: '/.well-known/oauth-authorization-server', takesForm: false }],
  ['GET', { kind: 'own', template: '/healthz', page: 'health' }],
  ['GET', { kind: 'own', template: '/openapi.json', page: 'openapi' }],
  ['GET', { kind: 'own', template: '/docs', page: 'docs' }],
];

/** A cell with what is worked out from its row of the table once. */
export interface Cell {
  readonly route: CellRoute;
  /** Of host, issuer and keys: what was verified under one trust is not known under another. */
  readonly trust: string;
  readonly keyFor: ReturnType<typeof createLocalJWKSet>;
}

/** A routing table, checked and ready to be looked things up in. */
export interface Routes {
  readonly cells: ReadonlyMap<string, Cell>;
  readonly endpoints: PathTemplates<Endpoint>;
  readonly operations: readonly RoutedOperation[];
}

/** Refuses a table as a whole: half of one could send a request astray. */
export function routesOf(table: RoutingTable): Routes {
  const endpoints = new PathTemplates<Endpoint>();
  for (const [method, endpoint] of FIXED) endpoints.add(method, endpoint.template, endpoint);
  for (const { service, operation, http } of table.operations) {
    checkTemplate(service, operation, http.path);
    const endpoint: Endpoint = { kind: 'operation', template: http.path, http };
    if (!endpoints.add(http.method, http.path, endpoint))
      throw new Refusal(
        'route_taken',
        `${http.method} ${http.path}, the route of ${service}.${operation}, is taken.`,
        { advice: `Give one of the two another path in its service.ts.` },
      );
  }
  const cells = new Map<string, Cell>();
  const names = new Set<string>();
  for (const route of table.cells) {
    checkCell(route, cells, names);
    names.add(route.cell);
    cells.set(route.host, cellOf(route));
  }
  return { cells, endpoints, operations: table.operations };
}

const TEMPLATE = /^(?:\/(?::[A-Za-z][A-Za-z0-9_]*|[A-Za-z0-9._~-]+))+$/;

function checkTemplate(service: string, operation: string, path: string): void {
  if (TEMPLATE.test(path) && !path.split('/').some((segment) => segment === '.' || segment === '..')) return;
  throw new Refusal('route_malformed', `"${path}", the path of ${service}.${operation}, is no path.`, {
    advice: 'Write it in the way of /v1/cards/:cardId, without a slash at its end.',
  });
}

function checkCell(route: CellRoute, cells: ReadonlyMap<string, Cell>, names: ReadonlySet<string>): void {
  const { cell, host, limits, live } = route;
  if (!isHostName(host))
    throw new Refusal('host_malformed', `"${host}", the host of ${cell}, is no host name.`, {
      advice: 'Write it in lower case, without a port: staging.quipu.example.',
    });
  const other = cells.get(host);
  if (other !== undefined)
    throw new Refusal('host_taken', `${host} is the host of both ${other.route.cell} and ${cell}.`, {
      advice: 'Give one of the two another host.',
    });
  if (names.has(cell))
    throw new Refusal('cell_twice', `${cell} is in the routing table twice.`, {
      advice: 'A cell has one host.',
    });
  // A request would reach another cell's processes with this cell's caller.
  if (live.cell !== cell)
    throw new Refusal('upstream_of_another_cell', `${cell} would be served by processes of ${live.cell}.`, {
      advice: 'The processes that serve a cell are its own.',
    });
  const { clientRequestsPerSecond: client, tenantRequestsPerSecond: tenant } = limits;
  if (![client, tenant].every((rate) => Number.isSafeInteger(rate) && rate > 0))
    throw new Refusal('limits_malformed', `The limits of ${cell} are no whole numbers above 0.`, {
      advice: 'Set requests per second, for a client and for the tenant.',
    });
}

function cellOf(route: CellRoute): Cell {
  // Private halves have no business here, and other kinds of key no use.
  const keys = route.keys.map(({ kty, crv, x, y, kid }) => ({
    kty,
    crv,
    x,
    y,
    kid,
    alg: 'ES256',
    use: 'sig',
  }));
  const trust = hash('sha256', JSON.stringify([route.cell, route.host, route.issuer, keys]), 'base64url');
  return { route, trust, keyFor: createLocalJWKSet({ keys: keys as never }) };
}
