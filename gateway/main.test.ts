import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exportJWK, generateKeyPair, jwtVerify } from 'jose';
import { until } from '#tools/testing/until.ts';
import type { AccessEntry } from './access-log.ts';
import { openLocalAuthority } from './authority/local-authority.ts';
import type { FromGateway, ToGateway } from './protocol.ts';
import { operations, TestCell } from './testing/lab.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A supervisor of one cell, with as many rights for its gateway as it needs and no more. */
async function supervise(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-gateway-'));
  const authority = await openLocalAuthority(join(folder, 'authority'));
  const cell = new TestCell('quipu/staging');
  await cell.makeKey();
  const socketPath = join(folder, 'cell.sock');
  const callers: string[] = [];
  const server = createServer((asked, response) => {
    callers.push(String(asked.headers['relevo-caller']));
    response.end('{"ok":true}');
  }).listen(socketPath);
  await once(server, 'listening');
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const readable = [root, await realpath(join(root, 'node_modules'))];
  const child: ChildProcess = fork(join(root, 'gateway/main.ts'), {
    execArgv: ['--permission', ...readable.map((path) => `--allow-fs-read=${path}`)],
    env: {},
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  t.after(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true });
  });
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const told: FromGateway[] = [];
  const log: AccessEntry[] = [];
  const tell = (message: ToGateway) => child.send(message);
  let mayReach = true;
  child.on('message', (message: FromGateway) => {
    told.push(message);
    if (message.kind === 'log') log.push(...message.entries);
    if (message.kind === 'wanted')
      void authority
        .certificateFor(message.host)
        .then((pair) => tell({ kind: 'certificate', host: message.host, ...pair }));
    if (message.kind === 'reach')
      tell(
        mayReach
          ? { kind: 'reached', id: message.id, socketPath }
          : { kind: 'refused', id: message.id, code: 'cell_asleep', message: 'It does not wake.' },
      );
  });
  const of = async <K extends FromGateway['kind']>(kind: K) => {
    await until(`the gateway has told ${kind}`, () => told.some((message) => message.kind === kind));
    return told.findLast((message) => message.kind === kind) as Extract<FromGateway, { kind: K }>;
  };
  await of('ready');
  const table = { cells: [cell.route()], operations };
  tell({
    kind: 'start',
    host: '127.0.0.1',
    port: 0,
    plainPort: 0,
    table,
    identityKey: await exportJWK(privateKey),
  });
  const { port } = await of('listening');
  const ca = await readFile(authority.rootFile, 'utf8');
  const ask = (token: string, path = '/v1/cards/c1') =>
    new Promise<number>((resolve, reject) => {
      request(
        {
          host: '127.0.0.1',
          port,
          path,
          servername: cell.host,
          agent: new Agent({ ca }),
          headers: { host: cell.host, authorization: `Bearer ${token}` },
        },
        (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode!));
        },
      )
        .on('error', reject)
        .end();
    });
  return {
    child, cell, table, callers, log, told, tell, of, ask, publicKey,
    errors: () => errors,
    setReach: (to: boolean) => (mayReach = to),
  }; // prettier-ignore
}

test('a process without rights to files or environment serves what its supervisor tells it', async (t) => {
  const { cell, table, callers, log, told, tell, of, ask, publicKey, setReach, child, errors } =
    await supervise(t);
  assert.equal(await ask(await cell.token()), 200);
  const { payload } = await jwtVerify(callers[0], publicKey, {
    issuer: 'gateway',
    audience: cell.cell,
    typ: 'relevo-caller+jwt',
  });
  assert.deepEqual(
    [payload.sub, payload['scope'], payload.exp! - payload.iat!],
    ['client-1', 'cards:read', 30],
  );
  await until('it is logged', () => log.length === 1);
  assert.deepEqual([log[0].cell, log[0].status, log[0].route], [cell.cell, 200, '/v1/cards/:cardId']);

  tell({ kind: 'table', table: { ...table, cells: [...table.cells, ...table.cells] } });
  assert.equal((await of('table_refused')).code, 'host_taken');
  assert.equal(await ask(await cell.token()), 200);

  // Its processes go to sleep and do not wake.
  setReach(false);
  tell({ kind: 'forget', id: 1, upstream: table.cells[0].live });
  assert.equal((await of('forgotten')).id, 1);
  await until('the cell is away', async () => (await ask(await cell.token())) === 503);
  setReach(true);
  assert.equal(await ask(await cell.token()), 200);

  tell({ kind: 'close', graceMs: 1_000 });
  const [status] = (await once(child, 'exit')) as [number];
  assert.equal(status, 0, errors());
  assert.equal(log.length, log.filter(({ method }) => method === 'GET').length);
  assert.ok(log.length >= 4);
  assert.deepEqual(
    told.filter(({ kind }) => kind === 'trouble'),
    [],
  );
  assert.equal(errors(), '');
});

test('it ends when its supervisor is gone', async (t) => {
  const { child } = await supervise(t);
  child.disconnect();
  const [status] = (await once(child, 'exit')) as [number];
  assert.equal(status, 0);
});

test('it says why it cannot start, and ends', async (t) => {
  const { table, told } = await supervise(t);
  const port = told.find((message) => message.kind === 'listening')!.port;
  const second = fork(join(root, 'gateway/main.ts'), { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const identityKey = await exportJWK(privateKey);
  let failed: FromGateway | undefined;
  second.on('message', (message: FromGateway) => {
    if (message.kind === 'ready')
      second.send({ kind: 'start', host: '127.0.0.1', port, plainPort: null, table, identityKey });
    if (message.kind === 'failed') failed = message;
  });
  const [status] = (await once(second, 'exit')) as [number];
  assert.deepEqual([status, failed?.kind === 'failed' && failed.code], [1, 'port_taken']);
});
