import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { serveHttp } from './serve-http.ts';
import { advice, authorisation, PAN, reversal } from './testing/bodies.ts';
import { FakeHost, TOKEN } from './testing/server.ts';

const AUTHORISE = '/v1/authorisations';

suite('answers', () => {
  test('an approval', async () => {
    const host = new FakeHost();
    const told = await host.post(AUTHORISE, authorisation());
    assert.deepEqual([told.status, told.type], [200, 'application/json; charset=utf-8']);
    assert.deepEqual(told.body, {
      decision: 'approved',
      response_code: '00',
      response_text: 'Approved',
      approval_code: 'A1B2C3',
      amount_minor: '12550',
      transmitted_at: '2026-11-20T12:00:00Z',
      stan: '000042',
      acquirer: '400001',
      rrn: '632512000042',
    });
    assert.equal(told.headers['cache-control'], 'no-store');
    const [{ request, message }] = host.asked;
    assert.deepEqual(
      [request.kind, request.amountMinor, request.merchant.mcc],
      ['authorisation', 12_550, '5411'],
    );
    assert.equal(message.mti, '0100');
  });

  test('a decline is an ordinary answer, with the reason of an own decision', async () => {
    const host = new FakeHost();
    host.answer = () => ({ code: '51', reason: 'insufficient_funds' });
    const { status, body } = await host.post(AUTHORISE, authorisation());
    assert.equal(status, 200);
    assert.deepEqual(
      [body['decision'], body['response_code'], body['response_text'], body['reason'], body['approval_code']],
      ['declined', '51', 'Not sufficient funds', 'insufficient_funds', undefined],
    );
  });

  test('what nobody could decide is declined for that, whatever the judgement beside it', async () => {
    const host = new FakeHost();
    host.answer = () => ({ code: '91', reason: 'approved' });
    const { status, body } = await host.post(AUTHORISE, authorisation());
    assert.deepEqual([status, body['response_code'], body['reason']], [200, '91', 'nobody_could_decide']);
  });

  test("the earlier processor's answer, with what it approved and without a reason of ours", async () => {
    const host = new FakeHost();
    const frame = new Message('0110').set(2, PAN).set(4, '000000010000').set(38, 'EARL01').set(39, '10');
    host.answer = () => ({ code: '10', approvalCode: 'EARL01', relayed: pack(frame) });
    const told = await host.post(AUTHORISE, authorisation());
    assert.deepEqual(
      ['decision', 'response_code', 'amount_minor', 'approval_code', 'reason'].map((name) => told.body[name]),
      ['approved', '10', '10000', 'EARL01', undefined],
    );
    assert.ok(!told.text.includes(PAN));
  });

  test('codes of the earlier processor stay its own: 94 and 96 are declines', async () => {
    const host = new FakeHost();
    for (const code of ['94', '96', '30']) {
      host.answer = () => ({ code, relayed: pack(new Message('0110').set(39, code)) });
      const { status, body } = await host.post(AUTHORISE, authorisation());
      assert.deepEqual([status, body['decision'], body['response_code']], [200, 'declined', code]);
    }
  });

  test('other content under the same four is a conflict', async () => {
    const host = new FakeHost();
    host.answer = () => ({ code: '94' });
    const told = await host.post(AUTHORISE, authorisation());
    assert.deepEqual(
      [told.status, told.body['code'], told.type],
      [409, 'other_content', 'application/problem+json'],
    );
  });

  test('what could not be decided may be sent again', async () => {
    const host = new FakeHost();
    host.answer = () => ({ code: '96' });
    const told = await host.post(AUTHORISE, authorisation());
    assert.deepEqual([told.status, told.body['code'], told.headers['retry-after']], [503, 'failed', '1']);
    host.answer = () => ({ code: '96', reason: 'unknown_account' });
    const decided = await host.post(AUTHORISE, authorisation());
    assert.deepEqual([decided.status, decided.body['reason']], [200, 'unknown_account']);
  });

  test('a decision that does not come in time', async () => {
    const host = new FakeHost({ answerMsMax: 30 });
    host.answer = () => sleep(80).then(() => ({ code: '00' }));
    const told = await host.post(AUTHORISE, authorisation());
    assert.deepEqual([told.status, told.body['code']], [503, 'failed']);
    await sleep(100);
    assert.deepEqual(host.troubles, []);
  });

  test('a defect tells its cause to nobody outside', async () => {
    const host = new FakeHost();
    host.answer = () => {
      throw new Error(`a defect that names ${PAN}`);
    };
    const told = await host.post(AUTHORISE, authorisation());
    assert.deepEqual([told.status, told.body['code']], [500, 'unexpected']);
    assert.ok(!told.text.includes(PAN) && !told.text.includes('defect that'));
    assert.equal(host.troubles.length, 1);
  });

  for (const [path, body, mti] of [
    [AUTHORISE, authorisation(), '0100'],
    ['/v1/financials', authorisation({ approval_code: 'A1B2C3' }), '0200'],
    ['/v1/advices', advice(), '0220'],
    ['/v1/advices', advice({ kind: 'authorisation' }), '0120'],
    ['/v1/reversals', reversal(), '0400'],
    ['/v1/reversals', reversal({ advice: true }), '0420'],
  ] as const)
    test(`${path} makes an ${mti}`, async () => {
      const host = new FakeHost();
      const { status } = await host.post(path, body);
      assert.deepEqual([status, host.asked[0].message.mti], [200, mti]);
    });
});

suite('the door', () => {
  test('is closed without the token, before anything of the body is read', async () => {
    const host = new FakeHost();
    for (const authorization of ['', 'Bearer', 'Bearer x', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, TOKEN]) {
      const told = await host.post(AUTHORISE, '{ no json', { authorization });
      assert.deepEqual([told.status, told.body['code']], [401, 'unauthorised'], authorization);
      assert.match(String(told.headers['www-authenticate']), /^Bearer/);
    }
    assert.equal(
      (await host.post(AUTHORISE, authorisation(), { authorization: `bearer ${TOKEN}` })).status,
      200,
    );
  });

  test('takes JSON alone', async () => {
    const host = new FakeHost();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])
      assert.equal((await host.post(AUTHORISE, authorisation(), { 'content-type': type })).status, 415, type);
    const spelled = { 'content-type': 'Application/JSON; charset=utf-8' };
    assert.equal((await host.post(AUTHORISE, authorisation(), spelled)).status, 200);
  });

  test('takes no large bodies and nothing in the address', async () => {
    const host = new FakeHost();
    const large = await host.post(AUTHORISE, authorisation({ entry_mode: '0'.repeat(17_000) }));
    assert.deepEqual([large.status, large.body['code']], [413, 'body_too_large']);
    const query = await host.post(`${AUTHORISE}?card_number=${PAN}`, authorisation());
    assert.deepEqual([query.status, query.body['code']], [400, 'invalid_request']);
    assert.ok(!query.text.includes(PAN));
    assert.equal(host.asked.length, 0);
  });

  test('knows its paths and their methods', async () => {
    const host = new FakeHost();
    for (const path of ['/', '/v1', `/v1/cards/${PAN}`, '/v1/authorisations/', '/%zz']) {
      const told = await host.get(path);
      assert.equal(told.type, 'application/problem+json', path);
      assert.ok(told.status === 404 || told.status === 400, path);
      assert.ok(!told.text.includes(PAN));
    }
    const get = await host.get(AUTHORISE);
    assert.deepEqual(
      [get.status, get.body['code'], get.headers['allow']],
      [405, 'method_not_allowed', 'POST'],
    );
    assert.equal((await host.send('DELETE', '/healthz')).headers['allow'], 'GET, HEAD');
  });

  test('says whether it lives and whether it can decide, to anybody', async () => {
    const host = new FakeHost();
    const anybody = (path: string) => host.send('GET', path, undefined, { authorization: '' });
    assert.deepEqual((await anybody('/healthz')).body, { status: 'alive' });
    assert.deepEqual((await anybody('/readyz')).body, { status: 'ready' });
    host.isReady = false;
    const told = await anybody('/readyz');
    assert.deepEqual([told.status, told.body['code']], [503, 'not_ready']);
    assert.equal((await anybody('/healthz')).status, 200);
  });
});

/** What comes back on a socket on which something was written, until it ends or has said this. */
async function raw(port: number, text: string, until?: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  let heard = '';
  for await (const piece of socket) {
    heard += String(piece);
    if (until !== undefined && heard.includes(until)) break;
  }
  socket.destroy();
  return heard;
}

const requestText = (body: object) => {
  const text = JSON.stringify(body);
  return (
    `POST ${AUTHORISE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
  );
};

suite('on a socket', () => {
  test('what is no HTTP gets a problem document all the same', async (t) => {
    const door = await serveHttp(new FakeHost().options());
    t.after(() => door.close());
    const noise = await raw(door.port, `${PAN}\r\n\r\n`);
    assert.match(noise, /^HTTP\/1\.1 400 .*"code":"bad_http"/s);
    assert.ok(!noise.includes(PAN));
    const long = await raw(
      door.port,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(9_000)}\r\n\r\n`,
    );
    assert.match(long, /^HTTP\/1\.1 431 .*"code":"headers_too_large"/s);
    assert.match(await raw(door.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'alive'), /200 OK/);
  });

  test('connections stay open, and are bounded', async (t) => {
    const door = await serveHttp({ ...new FakeHost().options(), connectionsMax: 2 });
    t.after(() => door.close(0));
    const twice = await raw(door.port, requestText(authorisation()) + requestText(authorisation()), '}HTTP');
    assert.match(twice, /200 OK.*200 OK/s);
    const held = await Promise.all(
      [1, 2].map(async () => {
        const socket = connect(door.port, '127.0.0.1').on('error', () => {});
        t.after(() => void socket.destroy());
        await once(socket, 'connect');
        return socket;
      }),
    );
    assert.equal(await raw(door.port, requestText(authorisation())).catch(() => ''), '');
    held[0].destroy();
    await once(held[0], 'close');
    await sleep(20);
    assert.match(await raw(door.port, requestText(authorisation()), 'approved'), /200 OK/);
  });

  test('closing lets what is under way be answered', async () => {
    const host = new FakeHost();
    host.answer = () => sleep(100).then(() => ({ code: '00' }));
    const door = await serveHttp(host.options());
    const answer = raw(door.port, requestText(authorisation()));
    while (host.asked.length === 0) await sleep(5);
    await door.close();
    assert.match(await answer, /200 OK.*"decision":"approved"/s);
    await assert.rejects(raw(door.port, ''), /ECONNREFUSED/);
  });

  test('closing ends what takes longer than its grace', async () => {
    const host = new FakeHost();
    host.answer = () => new Promise(() => {});
    const door = await serveHttp(host.options());
    const answer = raw(door.port, requestText(authorisation())).catch(() => '');
    while (host.asked.length === 0) await sleep(5);
    await door.close(20);
    assert.equal(await answer, '');
  });

  test('a port that is taken is told as such', async (t) => {
    const door = await serveHttp(new FakeHost().options());
    t.after(() => door.close());
    await assert.rejects(serveHttp({ ...new FakeHost().options(), port: door.port }), { syscall: 'listen' });
  });
});
