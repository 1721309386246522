import { fork } from 'node:child_process';
import { createPrivateKey, type JsonWebKey } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JWK } from 'jose';
import pg from 'pg';
import { cellText, type CellName, databaseName } from '#delivery/cells/cell-name.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import { openAccess } from '#delivery/local/enter-access.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { CellProcesses, type WakingTimes } from '#delivery/supervisor/cell-processes.ts';
import { GatewayDoor } from '#delivery/supervisor/gateway.ts';
import { gatewayFolder, gatewayKey } from '#delivery/supervisor/platform-home.ts';
import { issuerOf } from '#delivery/supervisor/routing.ts';
import type { Upstream } from '#gateway/routing-table.ts';
import { audienceOf, CallerIdentity } from '#runtime/identity/caller-identity.ts';
import { TOKEN_PATH } from '#services/access/oauth/metadata.ts';
import { publicJwk } from '#services/access/oauth/signing-keys.ts';
import type { NewSecret } from '#services/access/service.ts';
import { publicOperations } from '#services/public.ts';
import { databaseUrl } from '../lab/database-url.ts';
import { runRelevo } from '../lab/run-relevo.ts';
import type { Workspace } from '../lab/workspace.ts';
import { ask, type Way } from './ask.ts';
import { installed } from './installed.ts';
import { type Nginx, startNginx } from './nginx.ts';

/** What stands behind: an answer that costs nothing, or a cell that reads a card. */
export type Behind = 'trivial' | 'cell';
export type Before = 'gateway' | 'nginx' | 'direct';

/** It resolves everywhere: wrk takes the name for TLS from the address it calls. */
const HOST = 'localhost';
/** Far more than anybody asks here: limits are looked at, and refuse nothing. */
const REQUESTS_PER_SECOND = 1_000_000;
const SCOPE = 'cards:read';
/** Tokens live five minutes. */
const TOKEN_USED_MS_MAX = 120_000;
const TRIVIAL = fileURLToPath(new URL('trivial-upstream.ts', import.meta.url));

interface Parts {
  readonly workspace: Workspace;
  readonly folder: string;
  readonly cell: CellName;
  readonly cardId: string;
  readonly client: Client;
  readonly trivial: Trivial;
}

type Client = NewSecret & { readonly tokenKeys: readonly JWK[] };

interface Trivial {
  readonly socketPath: string;
  readonly port: number;
  stop(): void;
}

/** The gateway as `relevo up` starts it, with nginx beside it and the same behind both. */
export class GatewayLab {
  readonly cell: string;
  readonly host = HOST;
  readonly path: string;
  door!: GatewayDoor;
  nginx: Nginx | null = null;
  /** Those that wake the cell; replaced when wakes are measured. */
  processes!: CellProcesses;
  readonly #parts: Parts;
  readonly #identity: CallerIdentity;
  readonly #gatewayKey: JWK;
  #ca = '';
  #token = { text: '', madeAt: -Infinity };

  static async open(workspace: Workspace, cards: number): Promise<GatewayLab> {
    const cell = await workspace.freshCell('gateway');
    const file = await workspace.makeFile(cards, 'gateway');
    await runRelevo(workspace, ['migrate', 'start', file.path, '--cell', cellText(cell), '--wait']);
    const folder = await mkdtemp(join(tmpdir(), 'relevo-bench-gateway-'));
    const parts: Parts = {
      ...{ workspace, folder, cell },
      cardId: await aCardOf(workspace, cell),
      client: await aClientOf(workspace, cell),
      trivial: await startTrivial(workspace, join(folder, 'trivial.sock')),
    };
    const key = await gatewayKey(workspace.home);
    const identity = new CallerIdentity('gateway', {
      kid: 'gateway',
      key: createPrivateKey({ key: key.privateJwk as JsonWebKey, format: 'jwk' }),
    });
    const lab = new GatewayLab(parts, identity, key.publicJwk);
    try {
      await lab.#start(key);
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  private constructor(parts: Parts, identity: CallerIdentity, gatewayKey: JWK) {
    this.#parts = parts;
    this.#gatewayKey = gatewayKey;
    this.#identity = identity;
    this.cell = cellText(parts.cell);
    this.path = `/v1/cards/${parts.cardId}`;
  }

  async #start(key: Awaited<ReturnType<typeof gatewayKey>>): Promise<void> {
    const { workspace, folder, trivial } = this.#parts;
    this.processes = this.newProcesses(0);
    const accessLog = join(folder, 'access.log');
    this.door = await GatewayDoor.open({
      host: '127.0.0.1',
      port: 0,
      plainPort: 0,
      identityKey: key.privateJwk,
      folder: gatewayFolder(workspace.home),
      acme: null,
      reach: ({ cell, colour }) =>
        colour === 'green' ? Promise.resolve(trivial.socketPath) : this.processes.reach(cell),
      onAccess: (entries) =>
        appendFileSync(accessLog, entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')),
      onTrouble: (code, message) => process.stderr.write(`gateway: ${code} ${message}\n`),
      onEnded: (status) => process.stderr.write(`the gateway ended with status ${status}\n`),
      log: 2,
    });
    this.#ca = await readFile(this.door.rootFile, 'utf8');
    const program = installed('nginx');
    if (program)
      this.nginx = await startNginx({
        ...{ program, folder: join(folder, 'nginx'), host: HOST, requestsPerSecond: REQUESTS_PER_SECOND },
        certificate: await this.door.certificateFor(HOST),
        upstreams: [
          { name: 'trivial', socketPath: trivial.socketPath },
          { name: 'cell', socketPath: await this.processes.reach(this.cell) },
        ],
      });
  }

  /** Processes of this cell that rest after so many seconds without a request; 0 keeps them. */
  newProcesses(
    idleSeconds: number,
    told: {
      onAwake?: (cell: string, took: WakingTimes) => void;
      onResting?: () => void;
      spares?: number;
    } = {},
  ): CellProcesses {
    const { workspace } = this.#parts;
    return new CellProcesses({
      server: workspace.server,
      home: workspace.home,
      settings: readAllSettings(workspace.environment),
      gatewayKey: this.#gatewayKey,
      log: openSync(join(this.#parts.folder, 'serving.log'), 'a'),
      termsOf: () => ({ issuer: issuerOf(HOST, this.door.port), idleSeconds }),
      onAwake: told.onAwake,
      onResting: () => {
        told.onResting?.();
        return this.door.forget({ cell: this.cell, colour: 'blue' });
      },
      ...(told.spares !== undefined && { spares: told.spares }),
    });
  }

  /** Sends the host's requests there from the next one on. */
  lead(behind: Behind): void {
    const { cell, tenant } = { cell: this.cell, tenant: this.#parts.cell.tenant };
    const rate = REQUESTS_PER_SECOND;
    const live: Upstream = { cell, colour: behind === 'cell' ? 'blue' : 'green' };
    this.door.use({
      operations: publicOperations,
      cells: [
        {
          ...{ cell, tenant, live },
          host: HOST,
          issuer: issuerOf(HOST, this.door.port),
          keys: this.#parts.client.tokenKeys,
          limits: { clientRequestsPerSecond: rate, tenantRequestsPerSecond: rate },
        },
      ],
    });
  }

  portOf(before: Before, behind: Behind): number {
    if (before === 'gateway') return this.door.port;
    if (before === 'nginx') return this.nginx!.ports.get(behind)!;
    return this.#parts.trivial.port;
  }

  /** The process whose time is measured: there is none before a direct call. */
  pidOf(before: Before): number | null {
    return before === 'gateway' ? this.door.pid : before === 'nginx' ? this.nginx!.worker : null;
  }

  /** As a client sends it; behind nginx the cell wants the gateway's word, which nginx cannot give. */
  async headers(before: Before, behind: Behind): Promise<Record<string, string>> {
    return {
      ...(before !== 'direct' && { authorization: `Bearer ${await this.#tokenNow()}` }),
      ...(before !== 'gateway' && behind === 'cell' && { 'relevo-caller': await this.#caller() }),
    };
  }

  /** The way to the same answer for a client of ours; a direct one takes the socket. */
  async way(before: Before, behind: Behind): Promise<Way> {
    const headers = { host: HOST, ...(await this.headers(before, behind)) };
    if (before === 'direct') {
      const socketPath =
        behind === 'cell' ? await this.processes.reach(this.cell) : this.#parts.trivial.socketPath;
      return { secure: false, socketPath, path: this.path, headers };
    }
    const port = this.portOf(before, behind);
    // The curve that both sides have.
    const tls = { ca: this.#ca, servername: HOST, ecdhCurve: 'X25519' };
    return { secure: true, host: '127.0.0.1', port, path: this.path, headers, ...tls };
  }

  #caller(): Promise<string> {
    const { clientId } = this.#parts.client;
    return this.#identity.present(audienceOf(this.cell), { clientId, scopes: [SCOPE] });
  }

  /** As a client gets it: from the cell's token endpoint, by the gateway. */
  async #tokenNow(): Promise<string> {
    if (performance.now() - this.#token.madeAt < TOKEN_USED_MS_MAX) return this.#token.text;
    this.lead('cell');
    const { clientId, secret } = this.#parts.client;
    const { status, text } = await ask(
      {
        ...{ secure: true, host: '127.0.0.1', port: this.door.port, servername: HOST, ca: this.#ca },
        ...{ method: 'POST', path: TOKEN_PATH, auth: `${clientId}:${secret}` },
        headers: { host: HOST, 'content-type': 'application/x-www-form-urlencoded' },
      },
      new URLSearchParams({ grant_type: 'client_credentials', scope: SCOPE }).toString(),
    );
    if (status !== 200) throw new Error(`no token was to be had: ${status} ${text}`);
    this.#token = {
      text: (JSON.parse(text) as { access_token: string }).access_token,
      madeAt: performance.now(),
    };
    return this.#token.text;
  }

  async close(): Promise<void> {
    await this.nginx?.stop();
    // Set late, where a start fails in between.
    await (this.door as GatewayDoor | undefined)?.close();
    await (this.processes as CellProcesses | undefined)?.stop();
    this.#parts.trivial.stop();
    await rm(this.#parts.folder, { recursive: true, force: true });
  }
}

async function aCardOf(workspace: Workspace, cell: CellName): Promise<string> {
  const client = new pg.Client({
    connectionString: databaseUrl(workspace.server.adminUrl, databaseName(cell)),
    application_name: 'relevo bench',
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(
      'select card_id as id from cards.cards order by card_id limit 1',
    );
    return rows[0].id;
  } finally {
    await client.end();
  }
}

async function aClientOf(workspace: Workspace, cell: CellName): Promise<Client> {
  const opened = await openCell(workspace.server, workspace.home, cell);
  try {
    const client = await openAccess(opened, 'operators').addClient({
      ...{ actor: 'bench', name: 'Bench', scopes: [SCOPE] },
    });
    return { ...client, tokenKeys: (opened.file.tokenKeys ?? []).map(publicJwk) };
  } finally {
    await opened.close();
  }
}

async function startTrivial(workspace: Workspace, socketPath: string): Promise<Trivial> {
  const child = fork(TRIVIAL, [socketPath], { stdio: ['ignore', 2, 2, 'ipc'] });
  workspace.children.add(child);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    ...{ socketPath, port },
    stop() {
      workspace.children.delete(child);
      child.kill();
    },
  };
}
