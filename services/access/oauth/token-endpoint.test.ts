import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { newTokenKey } from '#delivery/cells/cell-file.ts';
import { testCell } from '#tools/testing/cell.ts';
import { until } from '#tools/testing/until.ts';
import { newClientId } from '../client-id.ts';
import { newClientSecret } from '../client-secret.ts';
import type { FoundClient } from '../service.ts';
import { operators, serveOnPort, tokenServer } from '../testing/cell-access.ts';
import { publicJwk } from './signing-keys.ts';
import { tokenEndpoint } from './token-endpoint.ts';

/** The token endpoint of a real cell over real HTTP, as clients and the gateway see it. */
const cell = await testCell();
const clients = operators(cell);
const server = await tokenServer(null, cell);
const actor = 'ana.quispe';
const office = await clients.addClient({
  actor,
  name: 'Back office',
  scopes: ['cards:read', 'accounts:read'],
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, string>;
}

async function send(path: string, init: RequestInit, url = server.url): Promise<Answer> {
  const response = await fetch(url + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text && JSON.parse(text) };
}

const form = (fields: Record<string, string> | [string, string][]): RequestInit => ({
  method: 'POST',
  body: new URLSearchParams(fields),
});
const inBody = ({ clientId = office.clientId, secret = office.secret } = {}) => ({
  grant_type: 'client_credentials',
  client_id: clientId,
  client_secret: secret,
});
const ask = (more: Record<string, string> = {}, url?: string) =>
  send('/oauth/token', form({ ...inBody(), ...more }), url);

const keysAt = async (url = server.url) =>
  createLocalJWKSet((await (await fetch(`${url}/oauth/jwks`)).json()) as never);

// First, for the library says what it has to say once.
test('nothing is written to the console, from the first request on, and whoever would rather see a page gets JSON', async (t) => {
  const written: unknown[] = [];
  for (const method of ['log', 'info', 'warn', 'error'] as const)
    t.mock.method(console, method, (...words: unknown[]) => void written.push(words));
  const { status, body } = await send('/oauth/token', {
    ...form({ ...inBody(), grant_type: 'password' }),
    headers: { accept: 'text/html' },
  });
  assert.deepEqual([status, body['error']], [400, 'unsupported_grant_type']);
  assert.equal((await ask()).status, 200);
  assert.deepEqual(written, []);
});

test('a client gets a token that the gateway can verify with public keys alone', async () => {
  const { status, headers, body } = await ask();
  assert.equal(status, 200);
  assert.deepEqual(
    { ...body, access_token: '' },
    { access_token: '', expires_in: 300, scope: 'accounts:read cards:read', token_type: 'Bearer' },
  );
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('set-cookie'), null);
  assert.equal(headers.get('access-control-allow-origin'), null);
  const verified = await jwtVerify(body['access_token'], await keysAt(), {
    issuer: server.issuer,
    audience: server.issuer,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    requiredClaims: ['jti', 'sub', 'client_id', 'scope', 'iat', 'exp'],
  });
  const { payload, protectedHeader } = verified;
  assert.deepEqual([payload.sub, payload['client_id']], [office.clientId, office.clientId]);
  assert.equal(payload['scope'], 'accounts:read cards:read');
  assert.equal(payload.exp! - payload.iat!, 300);
  assert.equal(protectedHeader.kid, cell.opened.file.tokenKeys!.at(-1)!.kid);
  const another = await jwtVerify((await ask()).body['access_token'], await keysAt());
  assert.notEqual(another.payload.jti, payload.jti);
});

test('the secret may come in the header, and fewer scopes may be asked for', async () => {
  const basic = Buffer.from(`${office.clientId}:${office.secret}`).toString('base64');
  const { status, body } = await send('/oauth/token', {
    ...form({ grant_type: 'client_credentials', scope: 'cards:read' }),
    headers: { authorization: `Basic ${basic}` },
  });
  assert.deepEqual([status, body['scope']], [200, 'cards:read']);
  assert.equal((await ask({ resource: server.issuer })).body['scope'], 'accounts:read cards:read');
});

test('metadata and keys tell where things are, and nothing secret', async () => {
  const metadata = await send('/.well-known/oauth-authorization-server', {
    headers: { host: 'evil.example' },
  });
  assert.equal(metadata.body['issuer'], server.issuer);
  assert.equal(metadata.body['token_endpoint'], `${server.issuer}/oauth/token`);
  assert.deepEqual(metadata.body['grant_types_supported'], ['client_credentials']);
  assert.doesNotMatch(JSON.stringify(metadata.body), /authoriz\w+_endpoint|evil|userinfo|registration/);
  const { keys } = (await send('/oauth/jwks', {})).body as unknown as { keys: Record<string, string>[] };
  assert.deepEqual(
    keys.map(sorted),
    cell.opened.file.tokenKeys!.map((key) => sorted(publicJwk(key) as never)),
  );
  assert.ok(keys.every((key) => !('d' in key)));
});

const sorted = (key: Record<string, string>) => Object.fromEntries(Object.entries(key).sort());

test('what is asked wrongly is refused as OAuth says', async (t) => {
  const basic = (text: string) => ({
    headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` },
  });
  const grant = { grant_type: 'client_credentials' };
  const post = (init: RequestInit, path = '/oauth/token') => send(path, init);
  const mistyped = office.secret.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'));
  const table: Record<string, [() => Promise<Answer>, number, string, RegExp]> = {
    'an unknown client': [
      () => ask({ client_id: newClientId(cell.name) }),
      401,
      'invalid_client',
      /authentication failed/,
    ],
    'an id of no cell': [() => ask({ client_id: "' or 1=1 --" }), 401, 'invalid_client', /failed/],
    'another secret': [() => ask({ client_secret: newClientSecret() }), 401, 'invalid_client', /failed/],
    'a mistyped secret': [() => ask({ client_secret: mistyped }), 401, 'invalid_client', /no whole secret/],
    'a code in place of the secret': [
      () => ask({ client_secret: cell.opened.file.clientSecretKey! }),
      401,
      'invalid_client',
      /no whole secret/,
    ],
    'no secret': [
      () => post(form({ ...grant, client_id: office.clientId })),
      401,
      'invalid_client',
      /failed/,
    ],
    'nobody at all': [() => post(form(grant)), 400, 'invalid_request', /no client authentication/],
    'a header of another client': [
      () =>
        post({
          ...form({ ...grant, client_id: newClientId(cell.name) }),
          ...basic(`${office.clientId}:${office.secret}`),
        }),
      400,
      'invalid_request',
      /mismatch/,
    ],
    'secrets in both places': [
      () => post({ ...form(inBody()), ...basic(`${office.clientId}:${office.secret}`) }),
      400,
      'invalid_request',
      /one mechanism/,
    ],
    'a wrong secret in the header': [
      () => post({ ...form(grant), ...basic(`${office.clientId}:${newClientSecret()}`) }),
      401,
      'invalid_client',
      /failed/,
    ],
    'a bearer token in the header': [
      () => post({ ...form(grant), headers: { authorization: 'Bearer abc' } }),
      400,
      'invalid_request',
      /authorization header/,
    ],
    'a scope that was not given': [
      () => ask({ scope: 'cards:read cards:write' }),
      400,
      'invalid_scope',
      /not given/,
    ],
    'the scope of people who log in': [() => ask({ scope: 'openid' }), 400, 'invalid_scope', /not given/],
    'scopes in odd characters': [
      () => ask({ scope: 'cards:read\u0007' }),
      400,
      'invalid_scope',
      /characters/,
    ],
    'another resource': [() => ask({ resource: 'https://evil.example' }), 400, 'invalid_target', /resource/],
    'a code of people': [
      () => ask({ grant_type: 'authorization_code', code: 'x' }),
      400,
      'unsupported_grant_type',
      /./,
    ],
    'a refresh': [() => ask({ grant_type: 'refresh_token' }), 400, 'unsupported_grant_type', /./],
    'a password': [() => ask({ grant_type: 'password' }), 400, 'unsupported_grant_type', /./],
    'an implicit grant': [() => ask({ grant_type: 'implicit' }), 400, 'unsupported_grant_type', /./],
    'no grant': [
      () => post(form({ client_id: office.clientId, client_secret: office.secret })),
      400,
      'invalid_request',
      /grant_type/,
    ],
    'a GET': [() => post({}), 405, 'invalid_request', /takes POST/],
    'a PUT': [() => post({ ...form(inBody()), method: 'PUT' }), 405, 'invalid_request', /takes POST/],
    'an OPTIONS': [() => post({ method: 'OPTIONS' }), 405, 'invalid_request', /takes POST/],
    'a JSON body': [
      () =>
        post({
          method: 'POST',
          body: JSON.stringify(inBody()),
          headers: { 'content-type': 'application/json' },
        }),
      400,
      'invalid_request',
      /x-www-form-urlencoded/,
    ],
    'a parameter twice': [
      () => post(form([...Object.entries(inBody()), ['scope', 'cards:read'], ['scope', 'accounts:read']])),
      400,
      'invalid_request',
      /twice/,
    ],
    'a client twice': [
      () => post(form([...Object.entries(inBody()), ['client_id', office.clientId]])),
      400,
      'invalid_request',
      /twice/,
    ],
    'a huge body': [() => ask({ scope: 'x'.repeat(100_000) }), 413, 'invalid_request', /larger/],
    'a secret in the address': [
      () => post(form(grant), `/oauth/token?client_id=${office.clientId}&client_secret=${office.secret}`),
      400,
      'invalid_request',
      /belong in the body/,
    ],
    'an origin': [
      () => post({ ...form(inBody()), headers: { origin: 'https://page.example' } }),
      400,
      'invalid_request',
      /origin/,
    ],
  };
  for (const [what, [answer, status, error, description]] of Object.entries(table))
    await t.test(what, async () => {
      const { body, ...rest } = await answer();
      assert.deepEqual([rest.status, body['error']], [status, error]);
      assert.match(body['error_description'], description);
      assert.ok(!JSON.stringify(body).includes(office.secret), 'no answer repeats a secret');
      assert.equal(rest.headers.get('cache-control'), 'no-store');
      assert.equal(body['access_token'], undefined);
    });
  assert.equal((await ask()).status, 200, 'and the right one still works');
});

test('nothing else of the library is reachable', async () => {
  const paths = [
    '/auth',
    '/auth/1',
    '/me',
    '/reg',
    '/request',
    '/session/end',
    '/session/end/confirm',
    '/interaction/1',
  ];
  const more = [
    '/token/introspection',
    '/token/revocation',
    '/token',
    '/jwks',
    '/oauth/token/',
    '/OAuth/token',
    '/',
    '//',
  ];
  for (const path of [...paths, ...more, '/.well-known/openid-configuration'])
    for (const method of ['GET', 'POST'])
      assert.equal((await send(path, { method })).status, 404, `${method} ${path}`);
});

/** A request whose body is sent piece by piece and never ends. */
const unended = (url: string, piece: string) =>
  new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
    const request = httpRequest(`${url}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'transfer-encoding': 'chunked' },
    });
    request.on('response', ({ statusCode: status, headers: { connection } }) => {
      resolve({ status, connection });
      request.destroy();
    });
    request.on('error', reject);
    request.write(piece);
  });

test('a body without an announced length is read to a bound, and one that does not end for so long', async (t) => {
  const tooLarge = await unended(server.url, `scope=${'x'.repeat(200_000)}`);
  assert.deepEqual(tooLarge, { status: 400, connection: 'close' });
  const url = await serveOnPort(
    t,
    tokenEndpoint({
      issuer: server.issuer,
      tokenKeys: cell.opened.file.tokenKeys!,
      findClient: async () => null,
      codeOfSecret: () => Buffer.alloc(32),
      requestMsMax: 50,
    }),
  );
  assert.deepEqual(await unended(url, 'scope='), { status: 408, connection: 'close' });
});

test('odd requests are refused and harm nothing', async () => {
  const grant = { grant_type: 'client_credentials' };
  const basic = (text: string) => ({
    ...form(grant),
    headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` },
  });
  const odd: RequestInit[] = [
    form({ ...inBody(), __proto__: 'x', constructor: 'x', client_assertion: 'a.b.c' }),
    form({ ...grant, client_id: office.clientId, client_secret: '\0' }),
    form({ ...grant, client_id: `${office.clientId}\0`, client_secret: office.secret }),
    form({ ...grant, client_id: 'x'.repeat(7_000), client_secret: 'y' }),
    form({ ...grant, client_id: office.clientId, client_secret: 'ñ'.repeat(1_000) }),
    basic('%zz:%'),
    basic(':'),
    basic(`${office.clientId}:`),
    basic(`${office.clientId}:\u0000`),
    basic('no colon'),
    { ...form(grant), headers: { authorization: 'Basic !!!' } },
    { ...form(grant), headers: { authorization: `Basic ${'A'.repeat(6_000)}` } },
    { method: 'POST' },
    { method: 'POST', body: '%%%=%%%', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    { method: 'POST', body: 'a=b', headers: { 'content-type': 'multipart/form-data' } },
    {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-99' },
    },
  ];
  for (const [i, init] of odd.slice(1).entries()) {
    const { status, body } = await send('/oauth/token', init);
    assert.ok([400, 401].includes(status), `${i + 1} ${status}`);
    assert.ok(['invalid_request', 'invalid_client'].includes(body['error']), JSON.stringify(body));
  }
  assert.equal(
    (await send('/oauth/token', odd[0])).status,
    200,
    'parameters that nobody knows are left alone',
  );
  assert.deepEqual(server.troubles, []);
});

test('after ten wrong secrets in a minute a client is told to stop; the right one still works', async () => {
  const unlucky = await clients.addClient({ actor, name: 'Unlucky', scopes: ['cards:read'] });
  const wrong = () => ask({ ...inBody(unlucky), client_secret: newClientSecret() });
  for (let i = 0; i < 10; i++) assert.equal((await wrong()).status, 401);
  const { status, headers, body } = await wrong();
  assert.deepEqual([status, body['error']], [429, 'invalid_client']);
  assert.ok(Number(headers.get('retry-after')) > 0 && Number(headers.get('retry-after')) <= 60);
  assert.equal((await ask(inBody(unlucky))).status, 200);
  assert.equal((await ask({ client_secret: newClientSecret() })).status, 401, 'others are not concerned');
});

test('a revoked client gets no token within seconds, and its running tokens are known to be void', async () => {
  const leaver = await clients.addClient({ actor, name: 'Leaver', scopes: ['cards:read'] });
  assert.equal((await ask(inBody(leaver))).status, 200);
  assert.equal(await server.entered.isRevoked(leaver.clientId), false);
  await clients.revokeClient({ actor, clientId: leaver.clientId });
  const since = performance.now();
  await until('it gets no token', async () => (await ask(inBody(leaver))).status === 401);
  assert.equal(await server.entered.isRevoked(leaver.clientId), true);
  assert.ok(performance.now() - since < 4_000);
  assert.equal(await server.entered.isRevoked(newClientId(cell.name)), true, 'as are those of nobody');
});

test('a new secret works at once, the older one while a renewal overlaps', async () => {
  const added = await clients.addClient({ actor, name: 'Renewed', scopes: ['cards:read'] });
  const { clientId, secret: first } = added;
  const statusOf = async (secret: string) => (await ask(inBody({ clientId, secret }))).status;
  assert.equal(await statusOf(first), 200);
  const { secret: second } = await clients.renewSecret({ actor, clientId, overlapSeconds: 3600 });
  for (const secret of [second, first, second]) assert.equal(await statusOf(secret), 200);
  const { secret: third } = await clients.renewSecret({ actor, clientId, overlapSeconds: 0 });
  assert.equal(await statusOf(third), 200);
  for (const secret of [first, second]) assert.equal(await statusOf(secret), 401);
});

test('a client of one cell is nobody in another, whatever is copied over', async (t) => {
  const other = await testCell(t);
  const there = await tokenServer(t, other);
  assert.equal((await ask({}, there.url)).status, 401);
  // Whoever can write to the other cell's database copies the client with its secret's code.
  const rows = await cell.admin.rows<{ code: Buffer; hint: string }>`
    select code, hint from access.secrets where client_id = ${office.clientId}`;
  await other.admin.run`
    insert into access.clients (client_id, name, scopes) values (${office.clientId}, 'Copied', ${['cards:read']})`;
  for (const { code, hint } of rows)
    await other.admin
      .run`insert into access.secrets (client_id, code, hint) values (${office.clientId}, ${code}, ${hint})`;
  await until('the copy is seen', async () => !(await there.entered.isRevoked(office.clientId)));
  assert.equal((await ask({}, there.url)).status, 401, 'the code is under the other cell’s key');
  const { access_token: token } = (await ask()).body;
  await assert.rejects(jwtVerify(token, await keysAt(there.url)), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  await assert.rejects(jwtVerify(token, await keysAt(), { audience: there.issuer }), { claim: 'aud' });
});

test('a code laid into the row of another client opens nothing', async () => {
  const [thief, victim] = await Promise.all(
    ['Thief', 'Victim'].map((name) => clients.addClient({ actor, name, scopes: ['cards:read'] })),
  );
  await cell.admin.run`delete from access.secrets where client_id = ${victim.clientId}`;
  await cell.admin
    .run`update access.secrets set client_id = ${victim.clientId} where client_id = ${thief.clientId}`;
  assert.equal((await ask({ ...inBody(victim), client_secret: thief.secret })).status, 401);
});

test('when the database does not answer, nobody gets a token, and it is said that this will pass', async (t) => {
  const troubles: unknown[] = [];
  const keys = [newTokenKey(new Date())];
  let answer: () => Promise<FoundClient | null> = () => Promise.reject(new Error('no connection'));
  const url = await serveOnPort(
    t,
    tokenEndpoint({
      issuer: 'https://staging.quipu.example',
      tokenKeys: keys,
      findClient: () => answer(),
      codeOfSecret: () => Buffer.alloc(32),
      onTrouble: (error) => troubles.push(error),
    }),
  );
  const { status, headers, body } = await ask({}, url);
  assert.deepEqual(
    [status, body['error'], headers.get('retry-after')],
    [503, 'temporarily_unavailable', '1'],
  );
  assert.equal((troubles[0] as Error).message, 'no connection');
  // Whatever secrets it has left: a revoked client is nobody.
  const code = Buffer.alloc(32).toString('base64');
  const revoked = { clientId: office.clientId, scopes: ['a'], isRevoked: true, secretCodes: [code] };
  answer = () => Promise.resolve(revoked);
  assert.equal((await ask({}, url)).status, 401);
  // A defect of ours is told to us and not to the client.
  const broken = { clientId: office.clientId, scopes: ['a'], isRevoked: false, secretCodes: ['short'] };
  answer = () => Promise.resolve(broken);
  const defect = await ask({}, url);
  assert.deepEqual([defect.status, defect.body['error']], [500, 'server_error']);
  assert.doesNotMatch(JSON.stringify(defect.body), /length|Buffer/);
  assert.equal(troubles.length, 2);
});

test('tokens are signed with the newest key, once it has been public for a while, at the time that is handed in', async (t) => {
  const now = new Date('2026-11-27T12:00:00.750Z');
  const at = (seconds: number) => newTokenKey(new Date(now.getTime() - seconds * 1000));
  let keys = [at(7200), at(3600)];
  const url = await serveOnPort(
    t,
    tokenEndpoint({
      issuer: 'https://staging.quipu.example',
      tokenKeys: () => keys,
      findClient: async (clientId) => ({
        clientId,
        scopes: ['cards:read'],
        isRevoked: false,
        secretCodes: [Buffer.alloc(32).toString('base64')],
      }),
      codeOfSecret: () => Buffer.alloc(32),
      now: () => now,
      ttlSeconds: 60,
    }),
  );
  const kidOf = async () => decodeProtectedHeader((await ask({}, url)).body['access_token']).kid;
  assert.equal(await kidOf(), keys[1].kid);
  const { payload } = await jwtVerify((await ask({}, url)).body['access_token'], await keysAt(url), {
    currentDate: now,
  });
  assert.deepEqual([payload.iat, payload.exp], [now.getTime() / 1000 - 0.75, now.getTime() / 1000 + 59.25]);
  keys = [...keys, at(3)];
  assert.equal(await kidOf(), keys[1].kid, 'the gateway may not have read the new one yet');
  const { keys: published } = (await send('/oauth/jwks', {}, url)).body as unknown as {
    keys: { kid: string }[];
  };
  assert.deepEqual(
    published.map(({ kid }) => kid),
    keys.map(({ kid }) => kid),
  );
  keys = [keys[1], at(11)];
  assert.equal(await kidOf(), keys[1].kid);
  keys = [at(1)];
  assert.equal(await kidOf(), keys[0].kid, 'the only one there is');
});
