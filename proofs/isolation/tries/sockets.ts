import { generateKeyPairSync } from 'node:crypto';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { roleName } from '#delivery/cells/cell-name.ts';
import { CELL_ROLES } from '#delivery/cells/cell-roles.ts';
import { audienceOf, CallerIdentity, type OnBehalfOf } from '#runtime/identity/caller-identity.ts';
import type { Attempts, Met } from '../attempts.ts';
import { metError } from '../attempts.ts';
import { operationName, operations, requestOf } from '../operation-request.ts';
import { childrenOf } from '../../lab/processes.ts';
import type { SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';
import { stolenGatewayKey } from './callers.ts';

interface SocketAnswer {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

/** The doors behind the gateway: sockets of the cells’ processes, the database’s, and TCP ports that nobody declared. */
export async function trySockets(stage: Stage, attempts: Attempts): Promise<void> {
  const sockets = await socketsOf(stage.socketsFolder);
  const owners = await ownersOf(stage, sockets);
  for (const [path, cell] of owners) await tryCellSocket(stage, { path, cell }, attempts);
  await tryFolders(sockets, attempts);
  await tryPorts(stage, attempts);
  await tryDatabaseSocket(stage, attempts);
}

async function socketsOf(folder: string): Promise<string[]> {
  const inside = await readdir(folder, { recursive: true });
  return inside.filter((name) => name.endsWith('.sock')).map((name) => join(folder, name));
}

/** A socket’s name does not tell whose it is: it answers the gateway for its own cell alone. */
async function ownersOf({ lab, populated, platform }: Stage, sockets: readonly string[]) {
  const { key } = await stolenGatewayKey(lab.home);
  const gateway = new CallerIdentity('gateway', key);
  const owners = new Map<string, SealedCell>();
  for (const cell of populated) {
    // Awake, whatever was idle meanwhile.
    await platform!.ask.ask({ host: cell.host, method: 'GET', path: '/v1/cards', token: cell.client.token });
    for (const path of sockets) {
      const answer = await askSocket(path, 'GET', '/oauth/jwks', {
        'relevo-caller': await gateway.present(audienceOf(cell.text)),
      });
      if (answer.status === 200) owners.set(path, cell);
    }
  }
  if (owners.size < populated.length)
    throw new Error(`the processes of ${populated.length} cells have only ${owners.size} sockets`);
  return owners;
}

async function tryCellSocket(
  { lab, cells }: Stage,
  { path, cell }: { path: string; cell: SealedCell },
  attempts: Attempts,
): Promise<void> {
  const kind = 'process of a cell, asked directly';
  const { key } = await stolenGatewayKey(lab.home);
  const gateway = new CallerIdentity('gateway', key);
  const stranger = new CallerIdentity('gateway', {
    kid: key.kid,
    key: generateKeyPairSync('ed25519').privateKey,
  });
  const late = new CallerIdentity('gateway', key, () => Date.now() - 300_000);
  for (const operation of operations) {
    const { method, path: target, body, headers = {} } = requestOf(operation, { of: cell });
    const scopes = [operation.http.scope];
    const client: OnBehalfOf = { clientId: cell.client.clientId, scopes };
    const attempt = async (what: string, identity: string | undefined, meant: readonly string[]) => {
      const answer = await askSocket(
        path,
        method,
        target,
        { ...headers, ...(identity !== undefined && { 'relevo-caller': identity }) },
        body,
      );
      attempts.tried(kind, `${operationName(operation)} of ${cell.text}: ${what}`, metSocket(answer), meant);
    };
    const unproven = ['caller_unproven'];
    await attempt('without an identity', undefined, unproven);
    await attempt(
      'by somebody who calls himself the gateway',
      await stranger.present(cell.text, client),
      unproven,
    );
    await attempt('by the gateway of five minutes ago', await late.present(cell.text, client), unproven);
    for (const other of cells.filter((each) => each !== cell))
      await attempt(`for ${other.text}`, await gateway.present(other.text, client), unproven);
    await attempt('by the gateway for nobody', await gateway.present(cell.text), ['unauthorised']);
    await attempt(
      'by the gateway for a client without the scope',
      await gateway.present(cell.text, { ...client, scopes: ['nothing:read'] }),
      ['scope_missing'],
    );
    const foreign = cells.find(({ name }) => name.tenant !== cell.name.tenant)!;
    await attempt(
      `by the gateway for a client of ${foreign.text}`,
      await gateway.present(cell.text, { clientId: foreign.client.clientId, scopes }),
      ['client_revoked'],
    );
    const { status, text } = await askSocket(
      path,
      method,
      target,
      { ...headers, 'relevo-caller': await gateway.present(cell.text, client) },
      body,
    );
    attempts.allowed(
      kind,
      `${operationName(operation)} by the gateway`,
      status === 200,
      `${status} ${text.slice(0, 100)}`,
    );
  }
}

const metSocket = ({ status, code, text }: SocketAnswer): Met =>
  status < 300
    ? { got: `${status} ${text.slice(0, 100)}` }
    : status >= 500
      ? { fault: `${status} ${code}` }
      : { guard: code || String(status) };

function askSocket(
  socketPath: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<SocketAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<SocketAnswer>();
  const sent = request(
    {
      socketPath,
      method,
      path,
      agent: false,
      timeout: 10_000,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    },
    (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        const code = /"code":\s*"([a-z_]+)"/.exec(text)?.[1] ?? '';
        resolve({ status: answer.statusCode!, code, text });
      });
    },
  );
  sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** No other account of the machine may so much as knock. */
async function tryFolders(sockets: readonly string[], attempts: Attempts): Promise<void> {
  const kind = 'socket for another account of the machine';
  for (const folder of new Set(sockets.map((path) => join(path, '..')))) {
    const { mode, uid } = await stat(folder);
    attempts.compared(
      kind,
      'the folder of the cells’ sockets',
      (mode & 0o077) === 0,
      'folder of one account',
      `mode ${(mode & 0o777).toString(8)}`,
    );
    attempts.allowed(kind, 'its own account', uid === process.getuid!(), String(uid));
  }
}

/** Every TCP port on which a process of the platform listens must be one that it said. Linux tells, others do not. */
async function tryPorts({ lab, platform }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'TCP port that nobody declared';
  const { running, ports, ask } = platform!;
  const declared = new Set([ports.gateway, ports.plain, ...networkPorts(running.said())]);
  const postmaster = await lab.postmaster();
  const pids = [running.pid, ...(await descendantsOf(running.pid)), ...(postmaster ? [postmaster] : [])];
  const listening = await listeningInodes();
  const heard: number[] = [];
  for (const pid of pids) {
    const name = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const found = (await socketInodes(pid)).flatMap((inode) => listening.get(inode) ?? []);
    heard.push(...found);
    attempts.compared(
      kind,
      `${name
        .findLast((part) => /[a-z]/.test(part))
        ?.split('/')
        .slice(-2)
        .join('/')} (${found.length} ports)`,
      found.every((port) => declared.has(port)),
      'only declared ports',
      found.filter((port) => !declared.has(port)).join(', '),
    );
  }
  attempts.allowed(kind, 'the gateway listens where it says', heard.includes(ask.port), heard.join(', '));
}

const networkPorts = (said: string): number[] =>
  said
    .split('\n')
    .filter((line) => line.startsWith('{"state":"serving"'))
    .flatMap((line) => {
      const { port, http_port: http } = JSON.parse(line) as { port: number; http_port: number };
      return [port, http];
    });

async function descendantsOf(pid: number): Promise<number[]> {
  const children = await childrenOf(pid);
  return [...children, ...(await Promise.all(children.map(descendantsOf))).flat()];
}

const LISTEN = '0A';

async function listeningInodes(): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const lines = (await readFile(file, 'utf8').catch(() => '')).trim().split('\n').slice(1);
    for (const line of lines) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTEN)
        found.set(inode, [...(found.get(inode) ?? []), parseInt(local.split(':')[1], 16)]);
    }
  }
  return found;
}

async function socketInodes(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

/** The embedded server: by its socket and a password, and by no other way. */
async function tryDatabaseSocket({ lab, cells }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'database without its password';
  const { adminUrl } = await lab.server();
  const enter = async (user: string, password: string, database: string): Promise<Met> => {
    const url = new URL(adminUrl);
    url.username = user;
    url.password = password;
    url.pathname = `/${database}`;
    const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      return { got: 'a session' };
    } catch (error) {
      const { code } = error as { code?: string };
      return code === undefined ? { guard: 'password wrong' } : metError(error);
    } finally {
      await client.end().catch(() => {});
    }
  };
  const admin = decodeURIComponent(new URL(adminUrl).username);
  for (const password of ['', 'postgres', admin, 'wrong'])
    attempts.tried(kind, `${admin} with a guessed password`, await enter(admin, password, 'postgres'), [
      'password wrong',
      'login refused',
    ]);
  const [here] = cells;
  const other = cells.find(({ name }) => name.tenant !== here.name.tenant)!;
  for (const role of CELL_ROLES) {
    const user = roleName(here.name, role);
    attempts.tried(kind, `${role} of ${here.text} without one`, await enter(user, '', here.database), [
      'password wrong',
    ]);
    attempts.tried(
      kind,
      `${role} of ${here.text} with the one of ${other.text}`,
      await enter(user, other.file.passwords[role], here.database),
      ['password wrong'],
    );
    const met = await enter(user, here.file.passwords[role], here.database);
    attempts.allowed(kind, `${role} of ${here.text} with its own`, 'got' in met, JSON.stringify(met));
  }
}
