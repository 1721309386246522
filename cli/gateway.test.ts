import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { newUser } from '#tools/testing/cli.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { until } from '#tools/testing/until.ts';

/** A client of a cell and the platform, at the command line and over TLS, in the order of this file. */
const user = await newUser();
const { server } = await testServer();
const PROGRAM = fileURLToPath(new URL('../relevo', import.meta.url));

interface Running {
  readonly gateway: { readonly port: number; readonly plain_port: number; readonly root: string };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

let running: Running;
let root: string;
const told: Record<string, unknown>[] = [];

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const ask = (environment: string, path: string, { method = 'GET', headers = {}, body }: Asked = {}) => {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const host = `${environment}.${user.tenant}.localhost`;
  const { port } = running.gateway;
  const asked = request(
    { host: '127.0.0.1', servername: host, port, path, method, ca: root, agent: false },
    (answer) => void whole(answer).then(resolve, reject),
  );
  asked.on('error', reject);
  asked.setHeader('host', `${host}:${port}`);
  for (const [name, value] of Object.entries(headers)) asked.setHeader(name, value);
  asked.end(body);
  return promise;
};

async function whole(answer: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  const isJson = String(answer.headers['content-type']).includes('json');
  const body = isJson ? (JSON.parse(text) as Answer['body']) : {};
  return { status: answer.statusCode!, headers: answer.headers, body, text };
}

interface Added {
  readonly client_id: string;
  readonly secret: string;
}

const clientOf = (environment: string, scopes: string): Promise<Added> =>
  user.json<Added>(`client add --cell ${user.tenant}/${environment} --name Office --scopes ${scopes}`);

async function tokenOf(environment: string, { client_id, secret }: Added): Promise<string> {
  const { status, body, text } = await ask(environment, '/oauth/token', {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${client_id}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  assert.equal(status, 200, text);
  return String(body['access_token']);
}

suite('a client reaches its cell', () => {
  let client: Added;
  let token: string;
  const as = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` } });

  before(async () => {
    await user.json(`tenant add ${user.tenant}`);
    client = await clientOf('staging', 'cards:read,migrations:read');
    const child = spawn(PROGRAM, ['up', '--json'], {
      env: {
        ...process.env,
        RELEVO_HOME: user.home,
        RELEVO_DATABASE_URL: server.adminUrl,
        RELEVO_GATEWAY_PORT: '0',
        RELEVO_GATEWAY_PLAIN_PORT: '0',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    atEnd(async () => {
      child.kill('SIGINT');
      assert.equal((await ended)[0], 0);
    });
    // The first document stands over several lines, what happens later in one each.
    let text = '';
    const lines = createInterface(child.stdout);
    lines.on('line', (line) => {
      if (line.startsWith('{"')) return void told.push(JSON.parse(line) as Record<string, unknown>);
      text += line;
      if (line === '}') running = JSON.parse(text) as Running;
    });
    await until('the platform runs', () => running !== undefined);
    root = await readFile(running.gateway.root, 'utf8');
    await until('the gateway knows the cells', async () => (await ask('staging', '/docs')).status === 200);
  });

  test('with a token of the cell, which is woken', async () => {
    token = await tokenOf('staging', client);
    const { status, body, headers } = await ask('staging', '/v1/cards', as(token));
    assert.deepEqual([status, body], [200, { cards: [], next: null }]);
    assert.match(String(headers['strict-transport-security']), /max-age/);
    assert.match(String(headers['x-request-id']), /^[\w-]{8,64}$/);
  });

  test('and nothing else', async () => {
    const ofProduction = await tokenOf('production', await clientOf('production', 'cards:read'));
    for (const [what, environment, path, bearer, status, code] of [
      ['another environment’s token', 'staging', '/v1/cards', ofProduction, 401, 'token_of_another_cell'],
      ['another environment', 'production', '/v1/cards', token, 401, 'token_of_another_cell'],
      ['a scope that was not given', 'staging', '/v1/cards/x/controls', token, 403, 'scope_missing'],
      ['what is not public', 'staging', '/v1/import-cards', token, 404, 'no_such_path'],
      ['a word for a token', 'staging', '/v1/cards', 'x', 401, 'token_malformed'],
    ] as const) {
      const answer = await ask(environment, path, as(bearer));
      assert.deepEqual([answer.status, answer.body['code']], [status, code], `${what}: ${answer.text}`);
    }
  });

  test('until it is revoked', async () => {
    await user.json(`client revoke ${client.client_id} --cell ${user.tenant}/staging`);
    await until('it is refused', async () => {
      const { status, body } = await ask('staging', '/v1/cards', as(token));
      return status === 401 && body['code'] === 'client_revoked';
    });
  });

  test('a tenant that is added while the platform runs is reached, too', async () => {
    const other = `${user.tenant}b`;
    await user.json(`tenant add ${other} --environments demo`);
    await until('it is known', async () => {
      const { status } = await ask('demo', '/docs', { headers: { host: `demo.${other}.localhost` } });
      return status === 421; // known, but this connection was made to another host
    });
  });

  test('the gateway that dies comes back on its port', async () => {
    const { port } = running.gateway;
    const [pid] = await gatewayPids();
    process.kill(pid, 'SIGKILL');
    await until('it is missed', () => told.some(({ state }) => state === 'gateway_ended'));
    await until('it is back', () =>
      ask('staging', '/healthz').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    assert.equal(running.gateway.port, port);
  });

  test('nothing secret stands in the logs', async () => {
    const files = ['access.log', 'serving.log'].map((name) => `${user.home}/logs/${name}`);
    const texts = await Promise.all(files.map((path) => readFile(path, 'utf8')));
    assert.match(texts[0], /"route":"\/v1\/cards"/);
    for (const text of texts)
      for (const secret of [token, client.secret, token.split('.')[2]]) assert.ok(!text.includes(secret));
  });
});

/** The processes of the gateway that this platform has started. */
async function gatewayPids(): Promise<number[]> {
  const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
    const child = spawn('ps', ['-eo', 'pid=,args='], { stdio: ['ignore', 'pipe', 'ignore'] });
    let stdout = '';
    child.stdout.on('data', (piece) => (stdout += String(piece)));
    child.on('close', () => resolve({ stdout }));
  });
  const root = fileURLToPath(new URL('..', import.meta.url));
  return stdout
    .split('\n')
    .filter((line) => line.includes(`${root}gateway/main.ts`))
    .map((line) => Number(line.trim().split(' ')[0]));
}
