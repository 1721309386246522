import { constants, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AccessEntry } from './access-log.ts';
import { answerBadHttp, faultOf } from './bad-http.ts';
import { checkHttp } from './check-http.ts';
import { Certificates, TLS_SETTINGS } from './certificates.ts';
import type { Pair } from './pair-file.ts';
import { Exchange } from './exchange.ts';
import { type CallerFacts, type Handling, handleRequest } from './handle-request.ts';
import { isHostName } from './host-name.ts';
import { DEFAULT_GATEWAY_LIMITS, type GatewayLimits } from './limits.ts';
import { plainServer } from './plain-http.ts';
import { Problem } from './problems.ts';
import { networkOf, Rates } from './rates.ts';
import { type Routes, routesOf } from './routes.ts';
import type { RoutingTable, Upstream } from './routing-table.ts';
import { ClientGone } from './take-body.ts';
import { KnownTokens } from './tokens/known-tokens.ts';
import { type Reach, Upstreams } from './upstreams.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Where HTTP without TLS is sent on to HTTPS; null where there is no such port. */
  readonly plainPort: number | null;
  /** The port that clients know, where something before the gateway maps another one to it. */
  readonly publicPort?: number;
  readonly table: RoutingTable;
  readonly certificateFor: (host: string) => Promise<Pair>;
  /** Wakes the processes of a cell where they sleep, and says where they listen. Rejects with a refusal. */
  readonly reach: Reach;
  /** What tells the cell's process, for a few seconds, who calls. */
  readonly identityFor: (caller: CallerFacts) => Promise<string>;
  readonly log: (entry: AccessEntry) => void;
  /** A defect, or something that an operator should see; nothing that a client sent is in it. */
  readonly onTrouble?: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds of a clock that cannot jump: rates go by it. */
  readonly steadyNow?: () => number;
  readonly limits?: Partial<GatewayLimits>;
}

export interface Gateway {
  readonly port: number;
  readonly plainPort: number | null;
  /** Routes by this table from the next request on. A table that cannot be is refused, and the present one stays. */
  use(table: RoutingTable): void;
  /** There is another certificate for this host: it is asked for at the next connection. */
  certificateChanged(host: string): void;
  /**
   * These processes are about to end: requests under way are finished on them, the next one reaches them anew. Resolves
   * when nothing leads to them any more, so that they may go.
   */
  forget(upstream: Upstream): Promise<void>;
  /** What an authority that asks for this token is answered; null takes it back. */
  answerChallenge(token: string, answer: string | null): void;
  /** Takes nothing more; what is under way may end, for so long. */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 10_000;
/**
 * No session is taken up again: in TLS 1.2 such a connection does not say for which host it is, and every request on it
 * would have to be refused. Clients keep their connections, and a handshake with P-256 costs a fraction of a millisecond.
 */
const SECURE_OPTIONS =
  constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
const LOOK_AFTER_SLOW_MS = 1_000;
/** The host of the address that `relevo up` prints. */
const OWN_NAME = 'localhost';
/** Authorities ask for one at a time and host. */
const CHALLENGES_MAX = 256;

/** The one door of all cells: TLS in, HTTP over the socket of a cell's process out. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const door = new Door(options);
  await door.open();
  return door;
}

class Door implements Gateway {
  port = 0;
  plainPort: number | null = null;
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #now: () => number;
  readonly #certificates: Certificates;
  readonly #upstreams: Upstreams;
  readonly #rates: Rates;
  readonly #tokens: KnownTokens;
  readonly #challenges = new Map<string, string>();
  readonly #handling: Handling;
  readonly #server: Server;
  readonly #plain: HttpServer | null;
  /** The request that a connection is busy with. */
  readonly #exchanges = new WeakMap<Duplex, Exchange>();
  /** Connections, by network. */
  readonly #connections = new Map<string, number>();
  #routes!: Routes;
  #isClosing = false;

  constructor(options: GatewayOptions) {
    const limits = { ...DEFAULT_GATEWAY_LIMITS, ...options.limits };
    this.#options = options;
    this.#limits = limits;
    this.#now = options.now ?? Date.now;
    this.#certificates = new Certificates({ certificateFor: options.certificateFor, now: this.#now });
    this.#upstreams = new Upstreams(options.reach, limits);
    this.#rates = new Rates(limits.strangerRequestsPerSecond, options.steadyNow);
    this.#tokens = new KnownTokens(limits.tokensMax);
    this.use(options.table);
    const routes = () => this.#routes;
    const publicPort = () => options.publicPort ?? this.port;
    this.#handling = {
      routes,
      limits,
      tokens: this.#tokens,
      rates: this.#rates,
      upstreams: this.#upstreams,
      underWay: new Map(),
      identityFor: options.identityFor,
      publicPort,
      now: this.#now,
    };
    this.#server = this.#tlsServer();
    this.#plain =
      options.plainPort === null
        ? null
        : plainServer({ limits, routes, publicPort, challenges: this.#challenges });
  }

  async open(): Promise<void> {
    const { host, port, plainPort } = this.#options;
    this.port = await listen(this.#server, host, port);
    if (this.#plain === null) return;
    try {
      this.plainPort = await listen(this.#plain, host, plainPort!);
    } catch (error) {
      this.#server.close();
      throw error;
    }
  }

  use(table: RoutingTable): void {
    const routes = routesOf(table);
    const cells = [...routes.cells.values()];
    this.#routes = routes;
    this.#rates.use(cells);
    this.#tokens.keepOnly(cells);
    this.#certificates.keepOnly(new Set(routes.cells.keys()));
    this.#upstreams.keepOnly(cells.map(({ route }) => route.live));
  }

  certificateChanged(host: string): void {
    this.#certificates.changed(host);
  }

  forget(upstream: Upstream): Promise<void> {
    return this.#upstreams.retire(upstream);
  }

  answerChallenge(token: string, answer: string | null): void {
    this.#challenges.delete(token);
    if (answer === null) return;
    if (this.#challenges.size >= CHALLENGES_MAX)
      this.#challenges.delete(this.#challenges.keys().next().value!);
    this.#challenges.set(token, answer);
  }

  async close(graceMs = GRACE_MS): Promise<void> {
    this.#isClosing = true;
    const servers = [this.#server, this.#plain].filter((server) => server !== null);
    const closed = Promise.all(
      servers.map(async (server) => {
        server.close();
        server.closeIdleConnections();
        await once(server, 'close');
      }),
    );
    const late = setTimeout(() => servers.forEach((server) => server.closeAllConnections()), graceMs);
    await closed.finally(() => clearTimeout(late));
    await this.#upstreams.close();
  }

  /**
   * HTTP/1.1 alone. Clients are programs with a few connections that are kept, so HTTP/2 would save little, and the
   * other side speaks HTTP/1.1: every request would be translated, which is where most requests are smuggled.
   */
  #tlsServer(): Server {
    const limits = this.#limits;
    const server = createServer({
      ...TLS_SETTINGS,
      secureOptions: SECURE_OPTIONS,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: limits.handshakeMsMax,
      SNICallback: (host, done) => this.#chooseCertificate(host, done),
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersMsMax,
      // What a body may take is watched with the request; this is the last resort.
      requestTimeout: limits.headersMsMax + limits.bodyMsMax + LOOK_AFTER_SLOW_MS,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: LOOK_AFTER_SLOW_MS,
      requireHostHeader: false,
      noDelay: true,
    });
    server.maxHeadersCount = limits.headersMax + 1; // one more than is taken, so that it is seen
    server.maxConnections = limits.connectionsMax;
    server.on('connection', (socket: Socket) => this.#countConnection(socket));
    server.on('request', (request, response) => this.#take(request, response, false));
    server.on('checkContinue', (request, response) => this.#take(request, response, true));
    server.on('checkExpectation', (request, response) => this.#take(request, response, false));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#refuseBadHttp(error, socket));
    server.on('connect', (_request, socket) => this.#refuseBadHttp({ code: 'CONNECT' }, socket));
    return server;
  }

  /**
   * Only hosts that are served have one, and this machine's own name, under which a request is told that it has to name
   * a cell's: nobody can make us ask for others. Without a certificate the handshake fails.
   */
  #chooseCertificate(
    name: string,
    done: Parameters<NonNullable<Parameters<typeof createServer>[0]['SNICallback']>>[1],
  ): void {
    const host = name.toLowerCase();
    const isServed = this.#routes.cells.has(host) || host === OWN_NAME;
    if (!isHostName(host) || !isServed) return void done(null);
    this.#certificates.contextFor(host).then(
      (context) => done(null, context),
      (error: unknown) => {
        this.#options.onTrouble?.(error);
        done(null);
      },
    );
  }

  #countConnection(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? '');
    const count = (this.#connections.get(network) ?? 0) + 1;
    if (count > this.#limits.connectionsPerAddressMax) return void socket.destroy();
    this.#connections.set(network, count);
    socket.once('close', () => {
      const left = this.#connections.get(network)! - 1;
      if (left === 0) this.#connections.delete(network);
      else this.#connections.set(network, left);
    });
  }

  #take(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const before = this.#exchanges.get(request.socket);
    // The connection ends with the answer before: this one gets none.
    if (before?.isAnswered && !before.response.shouldKeepAlive) return;
    const exchange = new Exchange(request, response, { at: this.#now(), awaitsContinue });
    this.#exchanges.set(request.socket, exchange);
    if (this.#isClosing) response.shouldKeepAlive = false;
    // A request that breaks off is told by its 'close'.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    response.once('close', () => this.#log(exchange.entry()));
    try {
      // At once: the parser may have the next request of the connection in its hands already.
      checkHttp(request, this.#limits.headersMax);
    } catch (error) {
      return this.#fail(exchange, error);
    }
    handleRequest(exchange, this.#handling).catch((error: unknown) => this.#fail(exchange, error));
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (error instanceof Problem) return exchange.refuse(error);
    if (error instanceof ClientGone) return void exchange.response.destroy();
    this.#options.onTrouble?.(error);
    exchange.refuse(new Problem('unexpected'));
  }

  #refuseBadHttp(error: { code?: string }, socket: Duplex): void {
    const exchange = this.#exchanges.get(socket);
    if (exchange !== undefined && !exchange.request.complete) {
      // In the middle of a request: its answer is the place to say so, and nothing may be written beside it.
      exchange.refuse(faultOf(error.code));
      exchange.response.end();
      return void setTimeout(() => socket.destroy(), LOOK_AFTER_SLOW_MS).unref();
    }
    if (exchange !== undefined && !exchange.response.closed) {
      // Behind a request that is good: it gets its answer first, and the connection ends with it.
      exchange.response.shouldKeepAlive = false;
      return void exchange.response.once('close', () => socket.destroy());
    }
    const problem = answerBadHttp(error, socket);
    if (problem !== null) this.#log(unreadable(problem, this.#now()));
  }

  #log(entry: AccessEntry): void {
    try {
      this.#options.log(entry);
    } catch (error) {
      this.#options.onTrouble?.(error);
    }
  }
}

async function listen(server: HttpServer | Server, host: string, port: number): Promise<number> {
  server.listen({ host, port });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const unreadable = ({ code, status }: Problem, at: number): AccessEntry => ({
  at: new Date(at).toISOString(),
  requestId: randomUUID(),
  traceId: null,
  cell: null,
  clientId: null,
  method: null,
  route: null,
  status,
  code,
  ms: 0,
  bytesIn: 0,
  bytesOut: 0,
  upstreamMs: null,
});
