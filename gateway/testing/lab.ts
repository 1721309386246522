import { randomUUID, type webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { PublicRoute } from '#declare/http.ts';
import type { AccessEntry } from '../access-log.ts';
import { type LocalAuthority, openLocalAuthority } from '../authority/local-authority.ts';
import { callerIdentity } from '../caller-identity.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../gateway.ts';
import type { CellRoute, RoutedOperation, RoutingTable, Upstream } from '../routing-table.ts';

export interface Seen {
  readonly cell: string;
  readonly colour: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** Parsed, where it is JSON. */
  readonly body: Record<string, unknown>;
}

export interface TokenTerms {
  readonly scope?: string;
  readonly clientId?: string;
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  /** Another key than the cell's. */
  readonly signedBy?: TestCell;
  readonly issuer?: string;
  readonly lifeSeconds?: number;
}

export const http = (route: Partial<PublicRoute>): PublicRoute => ({
  method: 'GET',
  path: '/v1/cards/:cardId',
  scope: 'cards:read',
  title: 'A card',
  reply: { type: 'object' },
  ...route,
});

export const operations: readonly RoutedOperation[] = [
  {
    service: 'cards',
    text: 'What it does.',
    operation: 'findCard',
    http: http({ params: { type: 'object', properties: { cardId: { type: 'string' } } } }),
    problems: {
      unknown_card: { status: 404, title: 'No such card', text: 'No such card is here.', retry: 'never' },
    },
  },
  {
    service: 'cards',
    text: 'What it does.',
    operation: 'freezeCard',
    http: http({
      method: 'PUT',
      path: '/v1/cards/:cardId/status',
      scope: 'cards:write',
      title: 'Freeze a card',
      body: { type: 'object' },
      idempotency: 'content',
    }),
    problems: {},
  },
  {
    service: 'ledger',
    text: 'What it does.',
    operation: 'postTransfer',
    http: http({
      method: 'POST',
      path: '/v1/transfers',
      scope: 'ledger:write',
      title: 'Move money',
      body: { type: 'object' },
      idempotency: 'key',
    }),
    problems: {},
  },
];

type Answering = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A cell with keys of its own and, in the place of its processes, a small server for each colour. */
export class TestCell {
  readonly cell: string;
  readonly host: string;
  readonly seen: Seen[] = [];
  answer: Answering = (_request, response) => response.end(JSON.stringify({ cell: this.cell }));
  colour: 'blue' | 'green' = 'blue';
  limits = { clientRequestsPerSecond: 100_000, tenantRequestsPerSecond: 100_000 };
  key!: webcrypto.CryptoKey;
  kid!: string;
  publicKey!: JWK;

  constructor(cell: string) {
    const [tenant, environment] = cell.split('/');
    this.cell = cell;
    this.host = `${environment}.${tenant}.localhost`;
  }

  get issuer(): string {
    return `https://${this.host}`;
  }

  async makeKey(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    this.key = privateKey;
    this.kid = randomUUID();
    this.publicKey = { ...(await exportJWK(publicKey)), kid: this.kid, alg: 'ES256', use: 'sig' };
  }

  route(): CellRoute {
    return {
      cell: this.cell,
      tenant: this.cell.split('/')[0],
      host: this.host,
      issuer: this.issuer,
      keys: [this.publicKey],
      limits: this.limits,
      live: { cell: this.cell, colour: this.colour },
    };
  }

  token({ scope = 'cards:read', clientId = 'client-1', claims, header, ...terms }: TokenTerms = {}) {
    const { key, kid } = terms.signedBy ?? this;
    const issuer = terms.issuer ?? this.issuer;
    const seconds = Math.floor(Date.now() / 1_000);
    const all: Record<string, unknown> = {
      iss: issuer,
      aud: issuer,
      iat: seconds,
      exp: seconds + (terms.lifeSeconds ?? 300),
      jti: randomUUID(),
      client_id: clientId,
      scope,
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(all)))
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header })
      .sign(key);
  }
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly token?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  /** Where it differs from the host that is asked. */
  readonly servername?: string;
  readonly agent?: Agent;
}

/** A gateway on real sockets, before cells on real sockets. */
export class Lab {
  readonly cells = new Map<string, TestCell>();
  readonly log: AccessEntry[] = [];
  readonly troubles: unknown[] = [];
  readonly reached: Upstream[] = [];
  readonly folder: string;
  readonly authority: LocalAuthority;
  readonly ca: string;
  readonly agent: Agent;
  gateway!: Gateway;
  /** Replaces how a cell is reached. */
  reach: (upstream: Upstream) => Promise<{ socketPath: string }> = async (upstream) => ({
    socketPath: await this.serve(upstream),
  });
  readonly #servers = new Map<string, { socketPath: Promise<string>; stop: () => Promise<void> }>();

  constructor(folder: string, authority: LocalAuthority, ca: string) {
    this.folder = folder;
    this.authority = authority;
    this.ca = ca;
    this.agent = new Agent({ keepAlive: true, ca, maxSockets: 64 });
  }

  get table(): RoutingTable {
    return { cells: [...this.cells.values()].map((cell) => cell.route()), operations };
  }

  cell(name: string): TestCell {
    return this.cells.get(name)!;
  }

  /** The socket of a cell's set of processes, started where it was not. */
  serve({ cell, colour }: Upstream): Promise<string> {
    const key = `${cell} ${colour}`;
    const there = this.#servers.get(key);
    if (there !== undefined) return there.socketPath;
    const of = this.cell(cell);
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        of.seen.push({ cell, colour, method, url, headers, body });
        of.answer(request, response, body);
      });
    });
    const socketPath = join(this.folder, `${this.#servers.size}-${randomUUID().slice(0, 8)}.sock`);
    server.listen(socketPath);
    const stop = async () => {
      this.#servers.delete(key);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    };
    const ready = once(server, 'listening').then(() => socketPath);
    this.#servers.set(key, { socketPath: ready, stop });
    return ready;
  }

  async stop({ cell, colour }: Upstream): Promise<void> {
    await this.#servers.get(`${cell} ${colour}`)?.stop();
  }

  async close(): Promise<void> {
    this.agent.destroy();
    await this.gateway.close(200);
    for (const { stop } of this.#servers.values()) await stop();
    await rm(this.folder, { recursive: true });
  }

  use(): void {
    this.gateway.use(this.table);
  }

  ask(cell: TestCell | string, asked: Asked = {}): Promise<Told> {
    const host = typeof cell === 'string' ? cell : cell.host;
    const { method = 'GET', path = '/v1/cards/c1', token, body, agent = this.agent } = asked;
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port: this.gateway.port,
        servername: asked.servername ?? host,
        agent,
        method,
        path,
        headers: {
          host,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...asked.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /json/.test(response.headers['content-type'] ?? '') || text.startsWith('{');
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            text,
            body: isJson && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {},
          });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
    return promise;
  }

  /** Bytes as they are, to the end of the connection. */
  async raw(cell: TestCell, text: string): Promise<string> {
    const socket = await this.connect(cell);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.setTimeout(5_000, () => socket.destroy());
    socket.write(text, 'latin1');
    await once(socket, 'close');
    return Buffer.concat(chunks).toString('latin1');
  }

  async connect(cell: TestCell): Promise<TLSSocket> {
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: this.gateway.port,
      servername: cell.host,
      ca: this.ca,
    });
    await once(socket, 'secureConnect');
    return socket;
  }
}

export const CELLS = ['quipu', 'tambo'].flatMap((tenant) =>
  ['sandbox', 'staging', 'production'].map((environment) => `${tenant}/${environment}`),
);

/** Two tenants in three environments each, unless the test names others. Ends with the test. */
export async function startLab(
  t: TestContext,
  { cells = CELLS, ...options }: { cells?: readonly string[] } & Partial<GatewayOptions> = {},
): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-gateway-'));
  const authority = await openLocalAuthority(join(folder, 'authority'));
  const { readFile } = await import('node:fs/promises');
  const lab = new Lab(folder, authority, await readFile(authority.rootFile, 'utf8'));
  for (const name of cells) {
    const cell = new TestCell(name);
    await cell.makeKey();
    lab.cells.set(name, cell);
  }
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  lab.gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    plainPort: 0,
    table: lab.table,
    certificateFor: (host) => authority.certificateFor(host),
    reach: (upstream) => {
      lab.reached.push(upstream);
      return lab.reach(upstream);
    },
    identityFor: callerIdentity(await exportJWK(privateKey)),
    log: (entry) => lab.log.push(entry),
    onTrouble: (error) => lab.troubles.push(error),
    ...options,
    limits: { strangerRequestsPerSecond: 100_000, ...options.limits },
  });
  t.after(() => lab.close());
  return lab;
}
