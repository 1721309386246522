import { createServer, type Server, type ServerResponse } from 'node:http';
import { checkHttp } from './check-http.ts';
import { answerBadHttp } from './bad-http.ts';
import { hostNameOf } from './host-name.ts';
import type { GatewayLimits } from './limits.ts';
import { Problem, PROBLEM_TYPE, problemBody } from './problems.ts';
import type { Routes } from './routes.ts';

const CHALLENGE = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,128})$/;

interface PlainOptions {
  readonly limits: GatewayLimits;
  readonly routes: () => Routes;
  readonly publicPort: () => number;
  /** What the authority that proves a host is to be answered; by token. */
  readonly challenges: ReadonlyMap<string, string>;
}

/** The port without TLS: it leads to the other one, and lets an authority see that a host is ours. */
export function plainServer({ limits, routes, publicPort, challenges }: PlainOptions): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersMsMax,
      requestTimeout: limits.headersMsMax,
      keepAliveTimeout: 1_000,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false,
    },
    (request, response) => {
      try {
        checkHttp(request, limits.headersMax);
        const answer = challenges.get(CHALLENGE.exec(request.url!)?.[1] ?? '');
        if (answer !== undefined && request.method === 'GET')
          return void send(response, 200, { 'content-type': 'application/octet-stream' }, answer);
        const host = hostNameOf(request.headers.host!);
        if (host === null || !routes().cells.has(host)) throw new Problem('unknown_host');
        const port = publicPort();
        send(response, 308, {
          location: `https://${host}${port === 443 ? '' : `:${port}`}${request.url}`,
        });
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem('unexpected');
        send(
          response,
          problem.status,
          { 'content-type': PROBLEM_TYPE },
          JSON.stringify(problemBody(problem)),
        );
      }
    },
  );
  server.maxHeadersCount = limits.headersMax + 1;
  server.maxConnections = limits.connectionsMax;
  server.on('clientError', answerBadHttp);
  server.on('connect', (_request, socket) => answerBadHttp({ code: 'CONNECT' }, socket));
  return server;
}

/** Whatever a client goes on to send in the clear is not read. */
function send(response: ServerResponse, status: number, headers: Record<string, string>, body = ''): void {
  response.shouldKeepAlive = false;
  response.writeHead(status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
