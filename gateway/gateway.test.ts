import assert from 'node:assert/strict';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { connect } from 'node:tls';
import { decodeJwt } from 'jose';
import { http, operations, startLab } from './testing/lab.ts';
import type { Told } from './testing/lab.ts';

const is = (told: Told, status: number, code: string) => {
  assert.deepEqual([told.status, told.body['code']], [status, code], told.text);
  assert.equal(told.headers['content-type'], 'application/problem+json');
  assert.equal(told.body['type'], `urn:relevo:problem:${code}`);
  assert.ok(String(told.body['detail']).length > 10);
};

suite('a request', () => {
  test('reaches the cell of its host and token, and the answer its client', async (t) => {
    const lab = await startLab(t);
    const cell = lab.cell('quipu/staging');
    const told = await lab.ask(cell, { token: await cell.token() });
    assert.deepEqual([told.status, told.body], [200, { cell: 'quipu/staging' }]);
    assert.equal(cell.seen.length, 1);
    const [{ url, headers }] = cell.seen;
    assert.equal(url, '/v1/cards/c1');
    const identity = decodeJwt(String(headers['relevo-caller']));
    assert.deepEqual(
      [identity.iss, identity.aud, identity.sub, identity['scope']],
      ['gateway', 'quipu/staging', 'client-1', 'cards:read'],
    );
    assert.deepEqual(lab.troubles, []);
  });

  test('is shown to the cell as far as it is allowed, and nothing in it becomes what the gateway says', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'] });
    const cell = lab.cell('quipu/staging');
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const told = await lab.ask(cell, {
      token: await cell.token(),
      path: '/v1/cards/c1?since=2026&x=%20',
      headers: {
        accept: 'application/json',
        'accept-language': 'es',
        cookie: 'a=b',
        forwarded: 'for=1.2.3.4',
        'x-forwarded-for': '1.2.3.4',
        'x-forwarded-host': 'production.quipu.localhost',
        'relevo-caller': 'forged',
        'Relevo-Caller': ['forged', 'twice'],
        'x-request-id': 'order_42-a',
        traceparent: `00-${trace}-b7ad6b7169203331-01`,
        tracestate: 'vendor=1',
        'proxy-authorization': 'Basic YTpi',
        te: 'trailers',
        connection: 'keep-alive, relevo-caller',
      },
    });
    assert.equal(told.status, 200);
    assert.equal(told.headers['x-request-id'], 'order_42-a');
    const [{ url, headers }] = cell.seen;
    assert.equal(url, '/v1/cards/c1?since=2026&x=%20');
    assert.deepEqual(Object.keys(headers).sort(), [
      'accept',
      'accept-language',
      'connection',
      'host',
      'relevo-caller',
      'traceparent',
      'tracestate',
      'x-request-id',
    ]);
    assert.deepEqual([headers.host, headers.connection], [cell.host, 'keep-alive']);
    assert.equal(decodeJwt(String(headers['relevo-caller'])).aud, cell.cell);
    assert.match(
      String(headers['traceparent']),
      new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`),
    );
  });

  test('gets what the cell may say, and what browsers are to know', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'] });
    const cell = lab.cell('quipu/staging');
    cell.answer = (_request, response) => {
      response.writeHead(201, {
        'content-type': 'application/json',
        etag: '"1"',
        location: '/v1/cards/c2',
        'set-cookie': 'a=b',
        server: 'cell',
        'x-powered-by': 'cell',
        'relevo-caller': 'x',
        connection: 'close',
        'x-request-id': 'of-the-cell',
      });
      response.end('{}');
    };
    const { status, headers } = await lab.ask(cell, { token: await cell.token() });
    assert.equal(status, 201);
    for (const name of ['set-cookie', 'server', 'x-powered-by', 'relevo-caller'])
      assert.equal(headers[name], undefined, name);
    assert.deepEqual(
      [headers.etag, headers.location, headers['cache-control'], headers['x-content-type-options']],
      ['"1"', '/v1/cards/c2', 'no-store', 'nosniff'],
    );
    assert.equal(headers['strict-transport-security'], 'max-age=31536000');
    assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/);
    for (const location of ['http://cell/x', '//evil.example', '/\\evil.example']) {
      cell.answer = (_request, response) =>
        response.writeHead(302, { location, 'cache-control': 'private' }).end();
      const moved = await lab.ask(cell, { token: await cell.token() });
      assert.deepEqual(
        [moved.status, moved.headers.location, moved.headers['cache-control']],
        [302, undefined, 'private'],
      );
    }
  });

  test('is refused in the order of the table', async (t) => {
    const lab = await startLab(t);
    const cell = lab.cell('quipu/staging');
    const other = lab.cell('quipu/production');
    const token = await cell.token();
    is(await lab.ask('nobody.localhost', { servername: cell.host, token }), 421, 'unknown_host');
    is(await lab.ask('127.0.0.1', { servername: cell.host, token }), 421, 'unknown_host');
    is(await lab.ask('localhost', { servername: 'localhost', token }), 421, 'unknown_host');
    is(await lab.ask(cell.host, { servername: 'localhost', token }), 421, 'hosts_disagree');
    is(await lab.ask(other, { servername: cell.host, token: await other.token() }), 421, 'hosts_disagree');
    is(await lab.ask(cell, { path: '/v1/none' }), 404, 'no_such_path');
    is(await lab.ask(cell, { path: '/v1/cards/..%2f..' }), 404, 'no_such_path');
    const denied = await lab.ask(cell, { method: 'DELETE' });
    is(denied, 405, 'method_not_allowed');
    assert.equal(denied.headers.allow, 'GET');
    for (const method of ['TRACE', 'OPTIONS', 'HEAD', 'PATCH'])
      assert.equal((await lab.ask(cell, { method })).status, 405);
    is(await lab.ask(cell, { headers: { expect: 'miracles' } }), 417, 'expectation_failed');
    const missing = await lab.ask(cell);
    is(missing, 401, 'token_missing');
    assert.equal(missing.headers['www-authenticate'], 'Bearer realm="quipu/staging"');
    const foreign = await lab.ask(cell, { token: await other.token() });
    is(foreign, 401, 'token_of_another_cell');
    assert.match(String(foreign.headers['www-authenticate']), /error="invalid_token"/);
    const narrow = await lab.ask(cell, { token: await cell.token({ scope: 'ledger:read' }) });
    is(narrow, 403, 'scope_missing');
    assert.match(narrow.text, /cards:read/);
    assert.match(String(narrow.headers['www-authenticate']), /insufficient_scope.*scope="cards:read"/);
    assert.deepEqual(
      [...lab.cells.values()].flatMap(({ seen }) => seen),
      [],
    );
    assert.deepEqual(lab.reached, []);
    assert.deepEqual(lab.troubles, []);
  });

  test('to change something carries a body of the right type and size, and a key where one is needed', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'], limits: { bodyBytesMax: 200_000 } });
    const cell = lab.cell('quipu/staging');
    const token = await cell.token({ scope: 'cards:read cards:write ledger:write' });
    const json = { 'content-type': 'application/json' };
    const key = { 'idempotency-key': 'k-1_A' };
    const post = (headers: Record<string, string>, body: string | Buffer = '{}') =>
      lab.ask(cell, { method: 'POST', path: '/v1/transfers', token, headers, body });
    const chunked = { 'transfer-encoding': 'chunked' };
    is(await post({ ...json, ...key }, Buffer.alloc(200_001)), 413, 'body_too_large');
    is(await post({ ...json, ...key, ...chunked }, Buffer.alloc(300_000)), 413, 'body_too_large');
    is(
      await lab.ask(cell, { token, body: '{}', headers: { ...json, 'content-length': '2' } }),
      400,
      'body_not_taken',
    );
    is(await lab.ask(cell, { token, body: '{}', headers: chunked }), 400, 'body_not_taken');
    is(await post(key), 415, 'unsupported_media_type');
    is(await post({ ...key, 'content-type': 'text/plain' }), 415, 'unsupported_media_type');
    is(
      await post({ ...key, 'content-type': 'application/json; charset=utf-7' }),
      415,
      'unsupported_media_type',
    );
    is(await post(json), 400, 'idempotency_key_missing');
    for (const bad of ['', 'a b', 'x'.repeat(65), 'é', "'; drop table cards; --"])
      is(await post({ ...json, 'idempotency-key': bad }), 400, 'idempotency_key_malformed');
    assert.equal(cell.seen.filter(({ body }) => body.length <= 200_000 && body.length > 2).length, 0);
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'Application/JSON;charset="UTF-8"',
    ])
      assert.equal((await post({ ...key, 'content-type': type })).status, 200);
    const seen = cell.seen.at(-1)!;
    assert.deepEqual(
      [seen.method, seen.body, seen.headers['idempotency-key'], seen.headers['content-length']],
      ['POST', '{}', 'k-1_A', '2'],
    );
    // What changes by its content alone needs no key.
    const put = { method: 'PUT', path: '/v1/cards/c1/status', token, headers: json, body: '{"frozen":true}' };
    assert.equal((await lab.ask(cell, put)).status, 200);
    // Large ones go through as they come, with a length or in chunks.
    const large = Buffer.alloc(200_000, 'x');
    for (const headers of [{}, chunked] as Record<string, string>[]) {
      assert.equal((await post({ ...json, ...key, ...headers }, large)).status, 200);
      assert.equal(cell.seen.at(-1)!.body, large.toString());
    }
    assert.deepEqual(lab.troubles, []);
  });

  test('without a token reaches what gives and checks tokens, with Authorization only where tokens are given', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'] });
    const cell = lab.cell('quipu/staging');
    const authorization = 'Basic Y2xpZW50OnNlY3JldA==';
    const form = { 'content-type': 'application/x-www-form-urlencoded', authorization };
    const asked = {
      method: 'POST',
      path: '/oauth/token',
      headers: form,
      body: 'grant_type=client_credentials',
    };
    assert.equal((await lab.ask(cell, asked)).status, 200);
    assert.deepEqual(
      [cell.seen[0].headers.authorization, cell.seen[0].body],
      [authorization, 'grant_type=client_credentials'],
    );
    assert.equal(decodeJwt(String(cell.seen[0].headers['relevo-caller'])).sub, undefined);
    for (const path of ['/oauth/jwks', '/.well-known/oauth-authorization-server']) {
      assert.equal((await lab.ask(cell, { path, headers: { authorization } })).status, 200);
      assert.equal(cell.seen.at(-1)!.headers.authorization, undefined);
    }
    is(
      await lab.ask(cell, { ...asked, headers: { 'content-type': 'application/json' } }),
      415,
      'unsupported_media_type',
    );
    is(await lab.ask(cell, { ...asked, body: 'x'.repeat(65_537) }), 413, 'body_too_large');
    is(await lab.ask(cell, { path: '/oauth/other' }), 404, 'no_such_path');
  });
});

suite('a table', () => {
  test('that cannot be is refused, and the one before stays', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging', 'tambo/staging'] });
    const [a, b] = [...lab.cells.values()].map((cell) => cell.route());
    const bad: [string, () => void][] = [
      ['host_taken', () => lab.gateway.use({ cells: [a, { ...b, host: a.host }], operations })],
      ['cell_twice', () => lab.gateway.use({ cells: [a, { ...a, host: 'x.localhost' }], operations })],
      ['host_malformed', () => lab.gateway.use({ cells: [{ ...a, host: 'Quipu:443' }], operations })],
      ['upstream_of_another_cell', () => lab.gateway.use({ cells: [{ ...a, live: b.live }], operations })],
      [
        'limits_malformed',
        () =>
          lab.gateway.use({
            cells: [{ ...a, limits: { ...a.limits, clientRequestsPerSecond: 0 } }],
            operations,
          }),
      ],
      ['route_taken', () => lab.gateway.use({ cells: [a], operations: [operations[0], operations[0]] })],
      ...['/v1/cards/', 'v1', '/a b', '/a/../b', '/:', '/healthz%2f', ''].map(
        (path): [string, () => void] => [
          'route_malformed',
          () => lab.gateway.use({ cells: [a], operations: [{ ...operations[0], http: http({ path }) }] }),
        ],
      ),
      [
        'route_taken',
        () =>
          lab.gateway.use({
            cells: [a],
            operations: [{ ...operations[0], http: http({ method: 'POST', path: '/oauth/token' }) }],
          }),
      ],
    ];
    for (const [code, use] of bad) assert.throws(use, { name: 'Refusal', code });
    for (const cell of lab.cells.values())
      assert.equal((await lab.ask(cell, { token: await cell.token() })).status, 200);
  });

  test('without a cell ends what led to it; a token of old keys is nothing under new ones', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging', 'tambo/staging'] });
    const [quipu, tambo] = lab.cells.values();
    const token = await quipu.token();
    assert.equal((await lab.ask(quipu, { token })).status, 200);
    await quipu.makeKey();
    lab.use();
    is(await lab.ask(quipu, { token }), 401, 'token_key_unknown');
    assert.equal((await lab.ask(quipu, { token: await quipu.token() })).status, 200);
    lab.gateway.use({ cells: [tambo.route()], operations });
    is(await lab.ask(quipu, { token: await quipu.token(), servername: quipu.host }), 421, 'unknown_host');
    // A host that is another cell's now: the first one's tokens are nothing there.
    lab.gateway.use({ cells: [{ ...tambo.route(), host: quipu.host }], operations });
    is(await lab.ask(quipu, { token: await quipu.token() }), 401, 'token_of_another_cell');
    assert.equal((await lab.ask(quipu, { token: await tambo.token() })).body['cell'], 'tambo/staging');
  });
});

suite('TLS', () => {
  test('shows each host its own certificate, and none to a name that is not served', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging', 'tambo/staging'] });
    const { port } = lab.gateway;
    const names: string[] = [];
    const handshake = (options: object) =>
      new Promise<string>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port, ca: lab.ca, ...options }, () => {
          names.push(socket.getPeerCertificate().subjectaltname ?? '');
          resolve(`${socket.getProtocol()} ${socket.alpnProtocol}`);
          socket.destroy();
        });
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
      });
    assert.equal(await handshake({ servername: 'staging.quipu.localhost' }), 'TLSv1.3 false');
    assert.equal(
      await handshake({
        servername: 'staging.tambo.localhost',
        maxVersion: 'TLSv1.2',
        ALPNProtocols: ['h2', 'http/1.1'],
      }),
      'TLSv1.2 http/1.1',
    );
    assert.deepEqual(names, ['DNS:staging.quipu.localhost', 'DNS:staging.tambo.localhost']);
    for (const options of [
      { servername: 'production.quipu.localhost' },
      { servername: 'staging.quipu.localhost.' },
      { servername: '' },
      {
        servername: 'staging.quipu.localhost',
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      },
      { servername: 'staging.quipu.localhost', maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' },
      { servername: 'staging.quipu.localhost', ALPNProtocols: ['h2'] },
    ])
      assert.match(await handshake(options), /^(ERR_SSL_|ECONNRESET|EPROTO)/, JSON.stringify(options));
    assert.deepEqual(lab.troubles, []);
  });

  test('is begun anew for each connection, so that each says for which host it is', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging', 'tambo/staging'] });
    const [quipu, tambo] = lab.cells.values();
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let session: Buffer | undefined;
      const ask = async ({ host }: { host: string }) => {
        const socket = connect({
          host: '127.0.0.1',
          port: lab.gateway.port,
          servername: host,
          ca: lab.ca,
          maxVersion,
          session,
        });
        socket.on('session', (given: Buffer) => (session = given));
        await once(socket, 'secureConnect');
        const isReused = socket.isSessionReused();
        socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        const chunks: Buffer[] = [];
        socket.on('data', (chunk: Buffer) => chunks.push(chunk));
        await once(socket, 'close');
        return [isReused, Buffer.concat(chunks).toString().slice(9, 12)];
      };
      for (const cell of [quipu, quipu, tambo, quipu])
        assert.deepEqual(await ask(cell), [false, '200'], maxVersion);
    }
  });

  test('goes on with the certificate that is there while a new one cannot be had, and not after its end', async (t) => {
    let asked = 0;
    let isAway = false;
    let at = Date.now();
    const folder: { certificateFor?: (host: string) => Promise<{ certificate: string; key: string }> } = {};
    const lab = await startLab(t, {
      cells: ['quipu/staging'],
      now: () => at,
      certificateFor: async (host) => {
        asked++;
        if (isAway) throw new Error('away');
        return folder.certificateFor!(host);
      },
    });
    folder.certificateFor = (host) => lab.authority.certificateFor(host);
    const cell = lab.cell('quipu/staging');
    const shake = () => lab.connect(cell).then((socket) => socket.destroy());
    await shake();
    await shake();
    assert.equal(asked, 1);
    lab.gateway.certificateChanged(cell.host);
    isAway = true;
    await shake();
    assert.equal(asked, 2);
    isAway = false;
    await shake();
    await shake();
    assert.equal(asked, 3);
    at += 31 * 86_400_000;
    await assert.rejects(shake());
    assert.equal((lab.troubles[0] as { code?: string }).code, 'certificate_expired');
  });
});
