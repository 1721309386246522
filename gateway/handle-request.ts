import type { TLSSocket } from 'node:tls';
import { IDEMPOTENCY_KEY } from '#declare/http.ts';
import { hasBody, isLongerThan, isSmall, WHOLE_BYTES_MAX } from './body-length.ts';
import type { Exchange } from './exchange.ts';
import { forward } from './forward.ts';
import { hostNameOf } from './host-name.ts';
import type { GatewayLimits } from './limits.ts';
import { answerOwnPage } from './own-pages.ts';
import { Problem } from './problems.ts';
import type { Rates } from './rates.ts';
import { type Cell, type Endpoint, type Routes, TOKEN_PATH } from './routes.ts';
import type { KnownTokens } from './tokens/known-tokens.ts';
import { type Caller, tokenIn } from './tokens/verify-token.ts';
import { passOn, takeWhole, tooLarge } from './take-body.ts';
import type { Upstreams } from './upstreams.ts';

export interface CallerFacts {
  readonly cell: string;
  /** Null for what is forwarded without a token. */
  readonly clientId: string | null;
  readonly scopes: readonly string[];
}

export interface Handling {
  /** The present ones; each request looks at them anew. */
  readonly routes: () => Routes;
  readonly limits: GatewayLimits;
  readonly tokens: KnownTokens;
  readonly rates: Rates;
  readonly upstreams: Upstreams;
  /** Requests under way, by cell. */
  readonly underWay: Map<string, number>;
  readonly identityFor: (caller: CallerFacts) => Promise<string>;
  /** The port in addresses that clients are told. */
  readonly publicPort: () => number;
  readonly now: () => number;
}

/** The way of a request that is good HTTP, in the order of the table of problems. */
export async function handleRequest(exchange: Exchange, handling: Handling): Promise<void> {
  const { request } = exchange;
  const routes = handling.routes();
  const cell = (exchange.cell = cellOf(exchange, routes));
  const endpoint = (exchange.endpoint = endpointOf(exchange, routes));
  if (request.headers.expect !== undefined && !exchange.awaitsContinue)
    throw new Problem('expectation_failed');
  if (endpoint.kind === 'operation') {
    exchange.caller = await callerOf(exchange, cell, handling);
    if (!exchange.caller.scopes.has(endpoint.http.scope))
      throw new Problem('scope_missing', {
        detail: `This operation needs a token with the scope ${endpoint.http.scope}. Ask for it at POST /oauth/token.`,
      });
    exchange.rateHeaders = handling.rates.takeClient(cell.route.cell, exchange.caller.clientId);
  } else handling.rates.takeStranger(addressOf(exchange), cell.route.host);
  checkBody(exchange, endpoint, handling.limits);
  if (endpoint.kind === 'own') answerOwnPage(exchange, endpoint.page, cell, routes, handling.publicPort());
  else await ask(exchange, cell, endpoint, handling);
}

function cellOf({ request }: Exchange, { cells }: Routes): Cell {
  const host = hostNameOf(request.headers.host!);
  const cell = host === null ? undefined : cells.get(host);
  if (cell === undefined) throw new Problem('unknown_host');
  if ((request.socket as TLSSocket).servername !== host) throw new Problem('hosts_disagree');
  return cell;
}

function endpointOf({ request }: Exchange, { endpoints }: Routes): Endpoint {
  const found = endpoints.find(pathOf(request.url!));
  if (found === null) throw new Problem('no_such_path');
  const endpoint = found.byMethod.get(request.method!);
  if (endpoint !== undefined) return endpoint;
  throw new Problem('method_not_allowed', { headers: { allow: [...found.byMethod.keys()].join(', ') } });
}

const pathOf = (url: string): string => {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
};

const addressOf = ({ request }: Exchange): string => request.socket.remoteAddress ?? '';

/** Whoever's token is not known yet is a stranger, whom a second has only so much work for. */
async function callerOf(exchange: Exchange, cell: Cell, { tokens, rates, now }: Handling): Promise<Caller> {
  const { authorization } = exchange.request.headers;
  const known = authorization === undefined ? null : knownIn(authorization, cell, tokens, now());
  if (known !== null) return known;
  rates.takeStranger(addressOf(exchange), cell.route.host);
  return tokens.verify(tokenIn(authorization), cell, now());
}

function knownIn(authorization: string, cell: Cell, tokens: KnownTokens, now: number): Caller | null {
  try {
    return tokens.find(tokenIn(authorization), cell, now);
  } catch (error) {
    if (error instanceof Problem) return null; // told after the rate was taken
    throw error;
  }
}

const IS_KEY = new RegExp(IDEMPOTENCY_KEY.pattern);
const JSON_TYPE = /^application\/json(?: *; *charset="?utf-8"?)? *$/i;
const FORM_TYPE = /^application\/x-www-form-urlencoded(?: *; *charset="?utf-8"?)? *$/i;

function checkBody({ request }: Exchange, endpoint: Endpoint, limits: GatewayLimits): void {
  const { headers } = request;
  const bytesMax = bytesMaxOf(endpoint, limits);
  if (isLongerThan(request, bytesMax)) throw tooLarge(bytesMax);
  const takesBody = endpoint.kind === 'operation' ? endpoint.http.body !== undefined : takesForm(endpoint);
  if (!takesBody && hasBody(request)) throw new Problem('body_not_taken');
  const [type, name] = takesForm(endpoint)
    ? [FORM_TYPE, 'application/x-www-form-urlencoded']
    : [JSON_TYPE, 'application/json'];
  if (takesBody && !type.test(headers['content-type'] ?? ''))
    throw new Problem('unsupported_media_type', { detail: `Send the body with Content-Type: ${name}.` });
  if (endpoint.kind !== 'operation' || endpoint.http.idempotency !== 'key') return;
  const key = headers['idempotency-key'];
  if (key === undefined) throw new Problem('idempotency_key_missing');
  if (typeof key !== 'string' || !IS_KEY.test(key)) throw new Problem('idempotency_key_malformed');
}

const takesForm = (endpoint: Endpoint): boolean => endpoint.kind === 'open' && endpoint.takesForm;

const bytesMaxOf = (endpoint: Endpoint, { bodyBytesMax }: GatewayLimits): number =>
  endpoint.kind === 'operation' ? bodyBytesMax : Math.min(bodyBytesMax, WHOLE_BYTES_MAX);

async function ask(exchange: Exchange, cell: Cell, endpoint: Endpoint, handling: Handling): Promise<void> {
  const { limits, underWay, upstreams } = handling;
  const name = cell.route.cell;
  const body = await takeBody(exchange, endpoint, limits);
  const count = underWay.get(name) ?? 0;
  if (count >= limits.underWayMax) throw new Problem('cell_busy');
  underWay.set(name, count + 1);
  try {
    const headers = await requestHeaders(exchange, cell, endpoint, handling);
    const live = () => handling.routes().cells.get(cell.route.host);
    await forward(exchange, {
      upstreams,
      limits,
      // The host may have become another cell's meanwhile; this request was judged for this one.
      live: () => (live()?.route.cell === name ? live()!.route.live : null),
      headers,
      body,
    });
  } finally {
    const left = underWay.get(name)! - 1;
    if (left === 0) underWay.delete(name);
    else underWay.set(name, left);
  }
}

function takeBody(exchange: Exchange, endpoint: Endpoint, limits: GatewayLimits) {
  const bounds = { bytesMax: bytesMaxOf(endpoint, limits), msMax: limits.bodyMsMax };
  // Strangers hold no connection of a cell while they send.
  const isWhole = isSmall(exchange.request) || endpoint.kind === 'open';
  return isWhole ? takeWhole(exchange, bounds) : passOn(exchange, bounds);
}

/** What of a client's request its cell gets to see. */
const REQUEST_HEADERS = ['accept', 'accept-language', 'content-type', 'idempotency-key'] as const;

async function requestHeaders(
  { request, caller, requestId, trace }: Exchange,
  cell: Cell,
  endpoint: Endpoint,
  { identityFor }: Handling,
): Promise<string[]> {
  const identity = await identityFor({
    cell: cell.route.cell,
    clientId: caller?.clientId ?? null,
    scopes: caller === null ? [] : [...caller.scopes],
  });
  const headers = [
    'host', cell.route.host,
    'relevo-caller', identity,
    'x-request-id', requestId,
    'traceparent', trace.traceparent,
  ]; // prettier-ignore
  if (trace.tracestate !== undefined) headers.push('tracestate', trace.tracestate);
  for (const name of REQUEST_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') headers.push(name, value);
  }
  const length = request.headers['content-length'];
  if (length !== undefined && hasBody(request)) headers.push('content-length', length);
  const { authorization } = request.headers;
  if (endpoint.template === TOKEN_PATH && authorization !== undefined)
    headers.push('authorization', authorization);
  return headers;
}
