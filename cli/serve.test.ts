import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { databaseName } from '#delivery/cells/cell-name.ts';
import { Link } from '#runtime/iso8583/link/link.ts';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { MESSAGE_CRASH_POINTS } from '#runtime/crash-point.ts';
import { newUser } from '#tools/testing/cli.ts';
import { panOf } from '#tools/testing/pans.ts';
import { testServer } from '#tools/testing/server.ts';
import { until } from '#tools/testing/until.ts';

/** Serving at the command line, in the order of this file. */
const user = await newUser();
const { server } = await testServer();
const CELL = `${user.tenant}/production`;
const PROGRAM = fileURLToPath(new URL('../relevo', import.meta.url));

interface Told {
  state: string;
  port: number;
  cell: string;
  pid?: number;
}

interface Scope {
  after(clean: () => unknown): unknown;
}

/** Runs the command and hands on what it says, line by line. */
function run(t: Scope, words: string, environment: Record<string, string> = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RELEVO_'));
  const child: ChildProcess = spawn(PROGRAM, words.split(' '), {
    env: {
      ...Object.fromEntries(inherited),
      RELEVO_HOME: user.home,
      RELEVO_DATABASE_URL: server.adminUrl,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const told: Told[] = [];
  let text = '';
  createInterface({ input: child.stdout! }).on('line', (line) => {
    text += line;
    try {
      told.push(JSON.parse(text));
      text = '';
    } catch {
      // a document of several lines is not complete yet
    }
  });
  const ended = once(child, 'close').then(([status, signal]) => (status as number | null) ?? signal);
  const serving = async (nth = 1): Promise<Told> => {
    const at = () => told.filter(({ state }) => state === 'serving')[nth - 1];
    await until(`"${words}" serves`, () => at() !== undefined);
    return at();
  };
  return { child, told, ended, serving };
}

let stan = 0;

const request = (): Message =>
  new Message('0100')
    .set(2, panOf('nobody'))
    .set(3, '000000')
    .set(4, '000000001000')
    .set(7, new Date().toISOString().slice(5, 19).replace(/\D/g, ''))
    .set(11, String(++stan).padStart(6, '0'))
    .set(32, '1234')
    .set(37, String(stan).padStart(12, '0'))
    .set(49, '604');

function network(t: Scope, port: number): Link {
  const link = new Link({ host: '127.0.0.1', port, framing: 'binary', budgetMs: 5_000, inFlightMax: 100 });
  t.after(() => link.close(0));
  return link;
}

async function ask(link: Link, message = request()): Promise<string | undefined> {
  assert.ok(await link.whenUp(5_000));
  return (await link.request(pack(message), message)).message.get(39);
}

before(async () => {
  await user.json(`tenant add ${user.tenant}`);
  await user.json(`range set --cell ${CELL} --range 450917 --mode own`);
});

test('serve says where it listens, answers, and ends in order when it is asked to', async (t) => {
  const { child, told, ended, serving } = run(t, `serve --cell ${CELL} --port 0 --http-port 0 --json`);
  const { port } = await serving();
  assert.equal(await ask(network(t, port)), '14');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.equal(told.at(-1)!.state, 'stopped');
});

test('a port that is taken is refused, with a way out', async (t) => {
  const { serving } = run(t, `serve --cell ${CELL} --port 0 --http-port 0 --json`);
  const { port } = await serving();
  const refused = await user.json<{ error: { code: string } }>(
    `serve --cell ${CELL} --http-port 0 --port ${port}`,
    2,
  );
  assert.equal(refused.error.code, 'cannot_listen');
});

/** Places that a message which is decided here passes. */
const OWN_PLACES = MESSAGE_CRASH_POINTS.filter(
  (place) => place === 'message:moved' || place === 'message:recorded',
);

for (const place of OWN_PLACES)
  test(`a message whose process dies at ${place} is decided once, by the next one`, async (t) => {
    const first = run(t, `serve --cell ${CELL} --port 0 --http-port 0 --json`, { RELEVO_CRASH_AT: place });
    const link = network(t, (await first.serving()).port);
    const message = request();
    await assert.rejects(ask(link, message), { code: 'down' });
    assert.equal(await first.ended, 'SIGKILL');
    const second = run(t, `serve --cell ${CELL} --port 0 --http-port 0 --json`);
    message.mti = '0101';
    assert.equal(await ask(network(t, (await second.serving()).port), message), '14');
    const url = new URL(server.adminUrl);
    url.pathname = `/${databaseName({ tenant: user.tenant, environment: 'production' })}`;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    const { rowCount } = await client.query(
      `select from authorisations.messages where convert_from(request, 'LATIN1') like $1`,
      [`%${message.get(37)}%`],
    );
    await client.end();
    assert.equal(rowCount, 1);
  });

test('up serves the cells that have ranges, and again when one has died', async (t) => {
  const { child, ended, serving } = run(t, 'up --json', {
    RELEVO_ISO8583_PORT: '0',
    RELEVO_HTTP_PORT: '0',
    RELEVO_GATEWAY_PORT: '0',
    RELEVO_GATEWAY_PLAIN_PORT: '0',
  });
  const first = await serving();
  assert.equal(first.cell, CELL);
  assert.equal(await ask(network(t, first.port)), '14');
  const { rows } = await withPeers((client) => client.query('select process from authorisations.peers'));
  const pid = Number(rows.at(-1).process.split(':')[1]);
  process.kill(pid, 'SIGKILL');
  const second = await serving(2);
  assert.equal(await ask(network(t, second.port)), '14');
  child.kill('SIGINT');
  assert.equal(await ended, 0);
});

async function withPeers<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(server.adminUrl);
  url.pathname = `/${databaseName({ tenant: user.tenant, environment: 'production' })}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
