import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { until } from '#tools/testing/until.ts';
import { startLab } from './testing/lab.ts';

/** The body hides a second request; whoever reads the first one's end differently would find it. */
const HIDDEN = 'GET /v1/cards/hidden HTTP/1.1\r\nHost: production.quipu.localhost\r\n\r\n';

suite('bytes on a connection', () => {
  const host = 'Host: staging.quipu.localhost\r\n';
  const post = `POST /oauth/token HTTP/1.1\r\n${host}Content-Type: application/x-www-form-urlencoded\r\n`;
  const get = 'GET /oauth/jwks HTTP/1.1\r\n';
  const refused: Record<string, [string, number, string]> = {
    'with both lengths': [`${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`, 400, 'bad_http'],
    'with both lengths, the other way round': [`${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`, 400, 'bad_http'],
    'with two lengths': [`${post}Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`, 400, 'bad_http'],
    'with the same length twice': [`${post}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, 400, 'bad_http'],
    'with a list of lengths': [`${post}Content-Length: 1, 1\r\n\r\na`, 400, 'bad_http'],
    'with a length that is signed': [`${post}Content-Length: +1\r\n\r\na`, 400, 'bad_http'],
    'with a length in base 16': [`${post}Content-Length: 0x1\r\n\r\na`, 400, 'bad_http'],
    'in another encoding': [`${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`, 400, 'bad_http'],
    'in two encodings': [`${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${HIDDEN}`, 400, 'bad_http'],
    'encoded twice': [`${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'bad_http'],
    'encoded with a tab': [`${post}Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n`, 400, 'bad_http'],
    'with a folded header': [`${get}${host}X: a\r\n b\r\n\r\n`, 400, 'bad_http'],
    'with a folded encoding': [`${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 400, 'bad_http'],
    'with lines that end in LF': [`GET /oauth/jwks HTTP/1.1\nHost: staging.quipu.localhost\n\n`, 400, 'bad_http'],
    'with one line that ends in LF': [`${get}${host}X: a\nRelevo-Caller: b\r\n\r\n`, 400, 'bad_http'],
    'with one line that ends in CR': [`${get}${host}X: a\rRelevo-Caller: b\r\n\r\n`, 400, 'bad_http'],
    'with a space before the colon': [`${get}${host}Content-Length : 5\r\n\r\n`, 400, 'bad_http'],
    'with a NUL': [`${get}${host}X: a\0b\r\n\r\n`, 400, 'bad_http'],
    'without a host': [`${get}\r\n`, 400, 'bad_http'],
    'with two hosts': [`${get}${host}Host: production.quipu.localhost\r\n\r\n`, 400, 'bad_http'],
    'with two tokens': [`${get}${host}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n`, 400, 'bad_http'],
    'with two keys': [`${get}${host}Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n`, 400, 'bad_http'],
    'of HTTP/1.0': [`GET /oauth/jwks HTTP/1.0\r\n${host}\r\n`, 400, 'bad_http'],
    'of HTTP/2 without being asked': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad_http'],
    'of no HTTP': ['\x16\x03\x01hello\r\n\r\n', 400, 'bad_http'],
    'that ask for another protocol': [`${get}${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, 400, 'bad_http'],
    'for a tunnel': [`CONNECT production.quipu.localhost:443 HTTP/1.1\r\n${host}\r\n`, 405, 'method_not_allowed'],
    'that trace': [`TRACE /oauth/jwks HTTP/1.1\r\n${host}\r\n`, 405, 'method_not_allowed'],
    'with a whole address': [`GET https://production.quipu.localhost/oauth/jwks HTTP/1.1\r\n${host}\r\n`, 400, 'bad_target'],
    'with a star': [`OPTIONS * HTTP/1.1\r\n${host}\r\n`, 400, 'bad_target'],
    'with a fragment': [`GET /oauth/jwks#a HTTP/1.1\r\n${host}\r\n`, 400, 'bad_target'],
    'with a backslash': [`GET /oauth\\jwks HTTP/1.1\r\n${host}\r\n`, 400, 'bad_target'],
    'with half an escape': [`GET /oauth/jwks?a=%4 HTTP/1.1\r\n${host}\r\n`, 400, 'bad_target'],
    'with an address in the clear that is not ASCII': [`GET /\xc3\xa9 HTTP/1.1\r\n${host}\r\n`, 400, 'bad_http'],
    'with too many headers': [`${get}${host}${'X: a\r\n'.repeat(70)}\r\n`, 431, 'headers_too_large'],
    'with headers that are too long': [`${get}${host}X: ${'a'.repeat(17_000)}\r\n\r\n`, 431, 'headers_too_large'],
    'with a chunk without a size': [`${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`, 400, 'bad_http'],
    'with a chunk that ends in LF': [`${post}Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n${HIDDEN}`, 400, 'bad_http'],
    'with a chunk that is longer than it says': [`${post}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`, 400, 'bad_http'],
  }; // prettier-ignore

  test('that are no good request are refused once, and nothing behind them is heard', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging', 'quipu/production'] });
    const cell = lab.cell('quipu/staging');
    for (const [name, [bytes, status, code]] of Object.entries(refused)) {
      const seen = lab.log.length;
      const text = await lab.raw(cell, bytes);
      assert.equal(text.split('HTTP/1.1 ').length, 2, `${name} is answered once: ${text}`);
      const [head, body] = text.split('\r\n\r\n');
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} `), `${name}: ${text.slice(0, 80)}`);
      assert.equal((JSON.parse(body) as { code: string }).code, code, name);
      await until('it is logged', () => lab.log.length > seen);
      assert.equal(lab.log.length, seen + 1, `${name}: logged once`);
      assert.deepEqual([lab.log[seen].status, lab.log[seen].code], [status, code], name);
    }
    assert.deepEqual(
      [...lab.cells.values()].flatMap(({ seen }) => seen),
      [],
    );
    assert.deepEqual(lab.troubles, []);
  });

  test('of several requests in a row are answered in their order', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'] });
    const cell = lab.cell('quipu/staging');
    cell.answer = (request, response) =>
      void setTimeout(() => response.end(request.url), request.url === '/oauth/jwks?1' ? 60 : 0);
    const get = (query: string, more = '') => `GET /oauth/jwks?${query} HTTP/1.1\r\n${host}${more}\r\n`;
    const text = await lab.raw(cell, get('1') + get('2') + get('3', 'Connection: close\r\n'));
    assert.deepEqual(
      [...text.matchAll(/\/oauth\/jwks\?\d/g)].map(([url]) => url),
      ['/oauth/jwks?1', '/oauth/jwks?2', '/oauth/jwks?3'],
    );
  });

  test('that come too slowly are not waited for', async (t) => {
    const lab = await startLab(t, {
      cells: ['quipu/staging'],
      limits: { headersMsMax: 300, bodyMsMax: 300 },
    });
    const cell = lab.cell('quipu/staging');
    assert.match(await lab.raw(cell, get), /^HTTP\/1.1 408 [\s\S]*"code":"too_slow"/);
    assert.match(
      await lab.raw(cell, `${post}Content-Length: 10\r\n\r\nabc`),
      /^HTTP\/1.1 408 [\s\S]*"code":"too_slow"/,
    );
    assert.deepEqual(cell.seen, []);
    assert.deepEqual(lab.reached, []);
  });

  test('wait for 100 Continue, which only a request that will be read gets', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'] });
    const cell = lab.cell('quipu/staging');
    const socket = await lab.connect(cell);
    socket.write(`${post}Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    assert.equal(first.toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('a=b');
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 /);
    socket.destroy();
    const refused = await lab.raw(cell, `${post}Content-Length: 99999\r\nExpect: 100-continue\r\n\r\n`);
    assert.match(refused, /^HTTP\/1.1 413 /);
    assert.equal(cell.seen.length, 1);
  });

  test('are of one address on so many connections at once and no more', async (t) => {
    const lab = await startLab(t, { cells: ['quipu/staging'], limits: { connectionsPerAddressMax: 3 } });
    const open = Array.from({ length: 4 }, () => connect(lab.gateway.port, '127.0.0.1'));
    await Promise.race(open.map((socket) => once(socket, 'close')));
    assert.equal(open.filter(({ destroyed }) => destroyed).length, 1);
    open.forEach((socket) => socket.destroy());
    for (const socket of open) if (!socket.closed) await once(socket, 'close');
    const cell = lab.cell('quipu/staging');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await lab.ask(cell, { token: await cell.token() })).status, 200);
  });
});
