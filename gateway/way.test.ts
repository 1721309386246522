import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '#runtime/refusal.ts';
import { until } from '#tools/testing/until.ts';
import { type Lab, startLab, type TestCell } from './testing/lab.ts';

const one = { cells: ['quipu/staging'] };
const codeOf = ({ status, body }: { status: number; body: Record<string, unknown> }) => [
  status,
  body['code'],
];

/** A request whose body and answer the test holds in its own hands. */
function openRequest(lab: Lab, cell: TestCell, token: string, method = 'POST', path = '/v1/transfers') {
  const asked = httpsRequest({
    host: '127.0.0.1',
    port: lab.gateway.port,
    servername: cell.host,
    agent: new Agent({ ca: lab.ca }),
    method,
    path,
    headers: {
      host: cell.host,
      authorization: `Bearer ${token}`,
      ...(method === 'POST' && {
        'content-type': 'application/json',
        'idempotency-key': 'k1',
        'transfer-encoding': 'chunked',
      }),
    },
  });
  asked.on('error', () => undefined);
  return asked;
}

suite('a cell', () => {
  test('that cannot be reached is told as such, and asked for again', async (t) => {
    const lab = await startLab(t, { ...one, limits: { reachMsMax: 100 } });
    const cell = lab.cell('quipu/staging');
    const token = await cell.token();
    const reach = lab.reach;
    lab.reach = () => Promise.reject(new Refusal('cell_asleep', 'secret words of the supervisor'));
    const told = await lab.ask(cell, { token });
    assert.deepEqual([...codeOf(told), told.headers['retry-after']], [503, 'cell_unavailable', '1']);
    assert.ok(!told.text.includes('secret words'));
    lab.reach = () => new Promise(() => undefined);
    assert.deepEqual(codeOf(await lab.ask(cell, { token })), [503, 'cell_unavailable']);
    lab.reach = reach;
    assert.equal((await lab.ask(cell, { token })).status, 200);
    assert.equal(lab.reached.length, 3);
    assert.deepEqual(lab.troubles, []);
  });

  test('is woken once for all that wait for it', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const token = await cell.token();
    const reach = lab.reach;
    lab.reach = async (upstream) => {
      await sleep(100);
      return reach(upstream);
    };
    const all = await Promise.all(Array.from({ length: 10 }, () => lab.ask(cell, { token })));
    assert.ok(all.every(({ status }) => status === 200));
    assert.equal(lab.reached.length, 1);
  });

  test('whose process is gone is reached anew, without its clients noticing', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const token = await cell.token({ scope: 'cards:read ledger:write' });
    assert.equal((await lab.ask(cell, { token })).status, 200);
    await lab.stop({ cell: cell.cell, colour: 'blue' });
    assert.equal((await lab.ask(cell, { token })).status, 200);
    await lab.stop({ cell: cell.cell, colour: 'blue' });
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'k1' };
    const told = await lab.ask(cell, { token, method: 'POST', path: '/v1/transfers', headers, body: '{}' });
    assert.equal(told.status, 200);
    assert.equal(lab.reached.length, 3);
  });

  test('that is too slow, breaks off or talks nonsense is told as such', async (t) => {
    const lab = await startLab(t, { ...one, limits: { upstreamMsMax: 200, answerMsMax: 400 } });
    const cell = lab.cell('quipu/staging');
    const token = await cell.token({ scope: 'cards:read ledger:write' });
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'k1' };
    const post = () => lab.ask(cell, { token, method: 'POST', path: '/v1/transfers', headers, body: '{}' });
    cell.answer = () => undefined;
    assert.deepEqual(codeOf(await post()), [504, 'upstream_too_slow']);
    cell.answer = (request) => request.socket.destroy();
    const before = cell.seen.length;
    assert.deepEqual(codeOf(await post()), [502, 'upstream_broken']);
    assert.equal(cell.seen.length, before + 1, 'what may have had an effect is not sent twice');
    cell.answer = (request) => request.socket.end('nonsense\r\n\r\n');
    assert.deepEqual(codeOf(await post()), [502, 'upstream_broken']);
    cell.answer = (request) =>
      request.socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
    assert.deepEqual(codeOf(await post()), [502, 'upstream_broken']);
    // An answer that has begun is broken off, so that its client sees it is not whole.
    for (const answer of [
      (request: { socket: { destroy(): void } }, response: { write(text: string): void }) => {
        response.write('half');
        setTimeout(() => request.socket.destroy(), 20);
      },
      (_: unknown, response: { write(text: string): void }) => response.write('never ends'),
    ]) {
      cell.answer = answer as TestCell['answer'];
      await assert.rejects(post());
    }
    await until('all are logged', () => lab.log.length === 6);
    assert.deepEqual(
      lab.log.slice(4).map(({ status, code }) => [status, code]),
      [
        [200, 'upstream_broken'],
        [200, 'upstream_broken'],
      ],
    );
    cell.answer = (_request, response) => response.end('{}');
    assert.equal((await post()).status, 200);
    assert.deepEqual(lab.troubles, []);
  });

  test('takes so many requests at once and no more', async (t) => {
    const lab = await startLab(t, { ...one, limits: { underWayMax: 2, upstreamConnectionsMax: 1 } });
    const cell = lab.cell('quipu/staging');
    const token = await cell.token();
    const waiting: (() => void)[] = [];
    cell.answer = (_request, response) => waiting.push(() => response.end('{}'));
    const first = [lab.ask(cell, { token }), lab.ask(cell, { token })];
    await until('one is there', () => cell.seen.length === 1);
    await sleep(30);
    assert.deepEqual(codeOf(await lab.ask(cell, { token })), [503, 'cell_busy']);
    waiting.shift()!();
    await until('the next is there', () => cell.seen.length === 2);
    waiting.shift()!();
    assert.deepEqual(
      (await Promise.all(first)).map(({ status }) => status),
      [200, 200],
    );
  });

  test('does not go on for a client that went away', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    let isEnded = false;
    cell.answer = (request) => void request.socket.once('close', () => (isEnded = true));
    const asked = openRequest(lab, cell, await cell.token(), 'GET', '/v1/cards/c1');
    asked.end();
    await until('the cell is asked', () => cell.seen.length === 1);
    asked.destroy();
    await until('the cell is left', () => isEnded);
    await until('it is logged', () => lab.log.length === 1);
    assert.deepEqual([lab.log[0].status, lab.log[0].code], [0, 'client_gone']);
    assert.deepEqual(lab.troubles, []);
  });

  test('and its client have the pace of the slower one', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const bytes = 64 * 1_048_576;
    let written = 0;
    const pour = async (response: ServerResponse) => {
      const piece = Buffer.alloc(65_536, 'x');
      for (; written < bytes; written += piece.length)
        if (!response.write(piece)) await once(response, 'drain');
      response.end();
    };
    cell.answer = (_request, response) => void pour(response);
    const asked = openRequest(lab, cell, await cell.token(), 'GET', '/v1/cards/c1');
    asked.end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    let before = -1;
    await until('the cell waits', async () => {
      const same = before === written;
      before = written;
      await sleep(100);
      return same;
    });
    assert.ok(written < 16 * 1_048_576, `${written} bytes were taken from the cell and not yet from us`);
    let got = 0;
    for await (const chunk of response) got += (chunk as Buffer).length;
    assert.equal(got, bytes);
  });
});

suite('two colours', () => {
  test('of a cell change places without a request failing', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const token = await cell.token();
    const slow: (() => void)[] = [];
    cell.answer = (request, response) => {
      const { colour } = cell.seen.at(-1)!;
      if (request.url!.endsWith('slow')) slow.push(() => response.end(colour));
      else response.end(colour);
    };
    const underWay = [1, 2, 3].map(() => lab.ask(cell, { token, path: '/v1/cards/slow' }));
    await until('they are under way', () => slow.length === 3);
    let isOver = false;
    const told: string[] = [];
    const asking = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const { status, text } = await lab.ask(cell, { token });
        told.push(`${status} ${text}`);
      }
    });
    for (const colour of ['green', 'blue', 'green'] as const) {
      await sleep(60);
      cell.colour = colour;
      lab.use();
      const { text } = await lab.ask(cell, { token });
      assert.equal(text, colour, 'the next request goes to the new one');
    }
    isOver = true;
    await Promise.all(asking);
    slow.forEach((answer) => answer());
    assert.deepEqual(
      (await Promise.all(underWay)).map(({ status, text }) => `${status} ${text}`),
      Array(3).fill('200 blue'),
    );
    assert.deepEqual([...new Set(told)].sort(), ['200 blue', '200 green']);
  });
});

suite('a process that is about to end', () => {
  test('is forgotten when what is on its way has arrived, also a body that is still coming', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const token = await cell.token({ scope: 'ledger:write cards:read' });
    const sending = openRequest(lab, cell, token);
    const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
    sending.write('{"amount_minor":');
    await until('the cell is asked', () => lab.reached.length === 1);
    await sleep(50);
    let isForgotten = false;
    const forgotten = lab.gateway.forget(cell.route().live).then(() => (isForgotten = true));
    assert.equal((await lab.ask(cell, { token })).status, 200);
    assert.equal(lab.reached.length, 2, 'the next one has it reached anew');
    assert.equal(isForgotten, false);
    sending.end('"1"}');
    const [response] = await answered;
    response.resume();
    assert.equal(response.statusCode, 200);
    await forgotten;
    assert.deepEqual(cell.seen.map(({ body }) => body).sort(), ['', '{"amount_minor":"1"}']);
  });
});

suite('rates', () => {
  test('of a client and of its tenant are kept, and told', async (t) => {
    let nowMs = 0;
    const lab = await startLab(t, { cells: ['quipu/staging', 'tambo/staging'], steadyNow: () => nowMs });
    const [quipu, tambo] = lab.cells.values();
    quipu.limits = { clientRequestsPerSecond: 3, tenantRequestsPerSecond: 5 };
    lab.use();
    const [first, second] = [await quipu.token(), await quipu.token({ clientId: 'client-2' })];
    const other = await tambo.token();
    const told = [];
    for (let at = 0; at < 5; at++) told.push(await lab.ask(quipu, { token: first }));
    assert.deepEqual(
      told.map(({ status }) => status),
      [200, 200, 200, 429, 429],
    );
    assert.equal(told[0].headers['ratelimit-policy'], '"client";q=3;w=1, "tenant";q=5;w=1');
    assert.equal(told[1].headers['ratelimit'], '"client";r=1;t=1, "tenant";r=3;t=1');
    assert.deepEqual(codeOf(told[3]), [429, 'client_rate']);
    assert.deepEqual(
      [told[3].headers['retry-after'], told[3].headers['ratelimit']],
      ['1', '"client";r=0;t=1'],
    );
    const rest = [];
    for (let at = 0; at < 3; at++) rest.push(await lab.ask(quipu, { token: second }));
    assert.deepEqual(rest.map(codeOf), [
      [200, undefined],
      [200, undefined],
      [429, 'tenant_rate'],
    ]);
    assert.equal((await lab.ask(tambo, { token: other })).status, 200, 'another tenant does not feel it');
    nowMs += 334;
    assert.equal((await lab.ask(quipu, { token: first })).status, 200, 'a third of a second brings one more');
    assert.equal((await lab.ask(quipu, { token: first })).status, 429);
    quipu.limits = { clientRequestsPerSecond: 50, tenantRequestsPerSecond: 50 };
    lab.use();
    nowMs += 20;
    assert.equal(
      (await lab.ask(quipu, { token: first })).status,
      200,
      'new limits are those of the next request',
    );
  });

  test('of strangers are kept before their tokens are looked at; who is known is no stranger', async (t) => {
    let nowMs = 0;
    const lab = await startLab(t, {
      ...one,
      limits: { strangerRequestsPerSecond: 3 },
      steadyNow: () => nowMs,
    });
    const cell = lab.cell('quipu/staging');
    const known = await cell.token();
    assert.equal((await lab.ask(cell, { token: known })).status, 200);
    nowMs += 1_000;
    const told = [];
    for (let at = 0; at < 5; at++) told.push(codeOf(await lab.ask(cell, { token: `e30.e30.${at}` })));
    assert.deepEqual(
      told.map(([status]) => status),
      [401, 401, 401, 429, 429],
    );
    assert.deepEqual(codeOf(await lab.ask(cell, { token: await cell.token() })), [429, 'strangers_too_many']);
    assert.deepEqual(codeOf(await lab.ask(cell, { path: '/healthz' })), [429, 'strangers_too_many']);
    assert.equal((await lab.ask(cell, { token: known })).status, 200);
  });
});

suite('what is told', () => {
  test('of a request holds nothing that was in it', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const canary = 'canary4000010000000018';
    cell.answer = (_request, response) =>
      response.writeHead(200, { 'x-secret': canary, etag: '"1"' }).end(`{"answer":"${canary}"}`);
    const token = await cell.token({ scope: 'cards:read ledger:write', claims: { note: canary } });
    const problems: string[] = [];
    const places: [string, Parameters<Lab['ask']>[1]][] = [
      ['path', { token, path: `/v1/cards/${canary}` }],
      ['query', { token, path: `/v1/cards/c1?pan=${canary}` }],
      ['unknown path', { token, path: `/v1/${canary}` }],
      ['bad target', { token, path: `/v1/cards/${canary}|` }],
      ['token', { token: `${canary}.${canary}.${canary}` }],
      ['token', { token: await cell.token({ claims: { iss: canary } }) }],
      ['scheme', { headers: { authorization: `Basic ${canary}` } }],
      ['header', { token, headers: { 'x-canary': canary, cookie: canary, [canary]: '1' } }],
      ['trace', { token, headers: { traceparent: canary, tracestate: canary } }],
      ['request id', { token, headers: { 'x-request-id': `${canary}!` } }],
      ['key', { token, method: 'POST', path: '/v1/transfers', headers: { 'content-type': 'application/json', 'idempotency-key': `${canary}!` }, body: '{}' }],
      ['body', { token, method: 'POST', path: '/v1/transfers', headers: { 'content-type': 'application/json', 'idempotency-key': canary }, body: `{"pan":"${canary}"}` }],
      ['type', { token, method: 'POST', path: '/v1/transfers', headers: { 'content-type': canary }, body: '{}' }],
      ['secret of a client', { method: 'POST', path: '/oauth/token', headers: { authorization: `Basic ${canary}`, 'content-type': 'application/x-www-form-urlencoded' }, body: `client_secret=${canary}` }],
    ]; // prettier-ignore
    for (const [, asked] of places) {
      const told = await lab.ask(cell, asked);
      if (told.headers['content-type'] === 'application/problem+json')
        problems.push(told.text, JSON.stringify(told.headers));
    }
    for (const bytes of [
      `${canary}\r\n\r\n`,
      `GET /${canary} HTTP/9.9\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${canary}\r\n\r\n`,
    ])
      problems.push(await lab.raw(cell, bytes.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')));
    await until('all are logged', () => lab.log.length === places.length + 3);
    assert.ok(problems.length > 16);
    assert.ok(
      !problems.join().includes('canary'),
      problems.find((text) => text.includes('canary')),
    );
    assert.ok(!JSON.stringify(lab.log).includes('canary'));
    assert.deepEqual(lab.troubles, []);
  });

  test('of a request is where it went and how it ended', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    await lab.ask(cell, { token: await cell.token(), headers: { 'x-request-id': 'order_42' } });
    await until('it is logged', () => lab.log.length === 1);
    const { at, ms, upstreamMs, traceId, ...rest } = lab.log[0];
    assert.ok(Math.abs(Date.parse(at) - Date.now()) < 5_000);
    assert.ok(upstreamMs! > 0 && ms >= upstreamMs!);
    assert.match(traceId!, /^[0-9a-f]{32}$/);
    assert.deepEqual(rest, {
      requestId: 'order_42',
      cell: 'quipu/staging',
      clientId: 'client-1',
      method: 'GET',
      route: '/v1/cards/:cardId',
      status: 200,
      code: null,
      bytesIn: 0,
      bytesOut: 24,
    });
  });

  test('of an answer of the cell is which problem it was, and its client is told by the body alone', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const token = await cell.token();
    for (const [code, logged] of [
      ['unknown_card', 'unknown_card'],
      ['Nobody <knows>', null],
      ['x'.repeat(65), null],
    ] as const) {
      cell.answer = (_request, response) => response.writeHead(404, { 'x-problem-code': code }).end('{}');
      const { status, headers } = await lab.ask(cell, { token });
      assert.deepEqual([status, headers['x-problem-code']], [404, undefined]);
      await until('it is logged', () => lab.log.length > 0);
      assert.equal(lab.log.pop()!.code, logged);
    }
    cell.answer = (_request, response) => response.writeHead(200, { 'x-problem-code': 'none' }).end('{}');
    await lab.ask(cell, { token });
    await until('it is logged', () => lab.log.length > 0);
    assert.equal(lab.log.pop()!.code, null);
  });

  test('by a log that fails does not end a request', async (t) => {
    const lab = await startLab(t, {
      ...one,
      log: () => {
        throw new Error('full');
      },
    });
    const cell = lab.cell('quipu/staging');
    assert.equal((await lab.ask(cell, { token: await cell.token() })).status, 200);
    await until('it is told', () => lab.troubles.length === 1);
  });
});

suite('the end', () => {
  test('waits for what is under way, and not for longer than it was given', async (t) => {
    const lab = await startLab(t, one);
    const cell = lab.cell('quipu/staging');
    const token = await cell.token();
    cell.answer = (request, response) => {
      if (request.url!.endsWith('slow')) setTimeout(() => response.end('{}'), 200);
    };
    const slow = lab.ask(cell, { token, path: '/v1/cards/slow' });
    const never = assert.rejects(lab.ask(cell, { token, path: '/v1/cards/never' }));
    await until('they are under way', () => cell.seen.length === 2);
    const since = performance.now();
    await lab.gateway.close(500);
    assert.ok(performance.now() - since < 2_000);
    const told = await slow;
    assert.deepEqual([told.status, told.headers.connection], [200, 'keep-alive']);
    await never;
    await assert.rejects(lab.ask(cell, { token, agent: new Agent({ ca: lab.ca }) }), {
      code: 'ECONNREFUSED',
    });
  });
});

suite('the port without TLS', () => {
  const get = (port: number, path: string, host: string, method = 'GET') =>
    new Promise<[number, string | undefined, string]>((resolve, reject) => {
      httpRequest({ host: '127.0.0.1', port, path, method, headers: { host }, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve([response.statusCode!, response.headers.location, text]));
      })
        .on('error', reject)
        .end();
    });

  test('leads to the one with TLS, for hosts that are served', async (t) => {
    const lab = await startLab(t, { ...one, publicPort: 443 });
    const port = lab.gateway.plainPort!;
    const { host } = lab.cell('quipu/staging');
    assert.deepEqual(await get(port, '/v1/cards/c1?x=%20', `${host.toUpperCase()}:80`, 'POST'), [
      308,
      `https://${host}/v1/cards/c1?x=%20`,
      '',
    ]);
    for (const [path, other, status] of [
      ['/', 'evil.example', 421],
      ['/', `${host}.evil.example`, 421],
      ['http://evil.example/', host, 400],
      ['/\\evil.example', host, 400],
      ['/.well-known/acme-challenge/unknown', 'evil.example', 421],
    ] as const) {
      const [got, location] = await get(port, path, other);
      assert.deepEqual([got, location], [status, undefined], path);
    }
    assert.deepEqual((await get(port, '//evil.example', host))[1], `https://${host}//evil.example`);
  });

  test('answers what an authority asks, while it is to', async (t) => {
    const lab = await startLab(t, one);
    const port = lab.gateway.plainPort!;
    lab.gateway.answerChallenge('abc_-123', 'abc_-123.thumbprint');
    const path = '/.well-known/acme-challenge/abc_-123';
    assert.deepEqual(await get(port, path, 'not-yet.example'), [200, undefined, 'abc_-123.thumbprint']);
    lab.gateway.answerChallenge('abc_-123', null);
    assert.equal((await get(port, path, 'not-yet.example'))[0], 421);
  });
});
