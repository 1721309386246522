import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { authorisation } from '#services/authorisations/http/testing/bodies.ts';
import { newUser } from '#tools/testing/cli.ts';
import { testServer } from '#tools/testing/server.ts';

/** Messages over HTTP at the command line, in the order of this file. */
const user = await newUser();
const { server } = await testServer();
const CELL = `${user.tenant}/staging`;
const PROGRAM = fileURLToPath(new URL('../relevo', import.meta.url));

before(() => user.json(`tenant add ${user.tenant}`));

interface Serving {
  port: number;
  http_port: number;
  stop(): Promise<void>;
}

/** Serves until it is stopped. */
async function serve(words: string): Promise<Serving> {
  const child = spawn(PROGRAM, `serve --cell ${CELL} --attached --json ${words}`.split(' '), {
    env: { ...process.env, RELEVO_HOME: user.home, RELEVO_DATABASE_URL: server.adminUrl },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    ...(JSON.parse(line) as Serving),
    async stop() {
      child.stdin.end();
      assert.equal((await ended)[0], 0);
    },
  };
}

const post = (port: number, token: string) =>
  fetch(`http://127.0.0.1:${port}/v1/authorisations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(
      authorisation({ transmitted_at: new Date().toISOString().replace(/\.\d+Z/, 'Z'), expiry: undefined }),
    ),
  });

const printedToken = async () => (await user.json<{ token: string }>(`keys token --cell ${CELL}`)).token;

test('a host sends messages with the token of the cell', async () => {
  const token = await printedToken();
  assert.match(token, /^relevo_[A-Za-z0-9_-]{43}$/);
  assert.equal((await user.relevo(`keys token --cell ${CELL}`)).stdout, `${token}\n`);
  const serving = await serve('--port 0');
  const answer = await post(serving.http_port, token);
  assert.equal(answer.status, 200);
  assert.equal(((await answer.json()) as { response_code: string }).response_code, '14', 'no range, no card');
  assert.equal((await post(serving.http_port, `${token}x`)).status, 401);
  const ready = await fetch(`http://127.0.0.1:${serving.http_port}/readyz`);
  assert.equal(ready.status, 200);
  await serving.stop();
});

test('the token is another one in each cell, and after the keys were rotated', async () => {
  const before = await printedToken();
  const elsewhere = await user.json<{ token: string }>(`keys token --cell ${user.tenant}/production`);
  assert.notEqual(elsewhere.token, before);
  await user.json(`keys rotate --cell ${CELL}`);
  const after = await printedToken();
  assert.notEqual(after, before);
  const serving = await serve('--port 0 --http-port 0');
  assert.equal((await post(serving.http_port, before)).status, 401);
  assert.equal((await post(serving.http_port, after)).status, 200);
  await serving.stop();
  const { entries } = await user.json<{ entries: { action: string }[] }>(
    `audit list --cell ${CELL} --action keys.token_shown`,
  );
  assert.equal(entries.length, 4);
});

test('an HTTP port that is taken is refused, with a way out', async () => {
  const serving = await serve('--port 0');
  const words = `serve --cell ${CELL} --port 0 --http-port ${serving.http_port}`;
  const refused = await user.json<{ error: { code: string; advice: string } }>(words, 2);
  assert.equal(refused.error.code, 'cannot_listen');
  assert.match(refused.error.advice, /--http-port/);
  await serving.stop();
});
