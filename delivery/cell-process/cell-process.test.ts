import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import type { JWK } from 'jose';
import { readCellFile, writeCellFile } from '#delivery/cells/cell-file.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { databaseName, roleName } from '#delivery/cells/cell-name.ts';
import { rotateTokenKeys } from '#delivery/cells/rotate-keys.ts';
import { openAccess } from '#delivery/local/enter-access.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { audienceOf, CallerIdentity, type OnBehalfOf } from '#runtime/identity/caller-identity.ts';
import { setTestRange } from '#tools/testing/authorisations.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { until } from '#tools/testing/until.ts';
import { type Handoff, PROCESS_ROLES, withProcessRoles } from './handoff.ts';
import { SpareProcess, startCellProcess } from './start-cell-process.ts';

const cell = await testCell();
const { server } = await testServer();
const folder = await mkdtemp(join(tmpdir(), 'relevo-test-'));
atEnd(() => rm(folder, { recursive: true, force: true }));
const pair = generateKeyPairSync('ed25519');
const gateway = new CallerIdentity('gateway', { kid: 'gateway', key: pair.privateKey });
const text = `${cell.name.tenant}/${cell.name.environment}`;

const handoff = (more: Partial<Handoff> = {}): Handoff => {
  const { file } = cell.opened;
  return {
    file: withProcessRoles(file),
    home: cell.opened.home,
    urls: Object.fromEntries(
      PROCESS_ROLES.map((role) => [
        role,
        server.urlFor(databaseName(cell.name), roleName(cell.name, role), file.passwords[role]),
      ]),
    ),
    settings: readAllSettings({}),
    socketPath: join(folder, `${randomUUID().slice(0, 8)}.sock`),
    gatewayKey: pair.publicKey.export({ format: 'jwk' }) as JWK,
    issuer: 'https://production.quipu.localhost:8443',
    network: null,
    idleSeconds: 0,
    ...more,
  };
};

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const ask = (
  socketPath: string,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: object,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, headers, agent: false }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => {
        const told = Buffer.concat(pieces).toString();
        resolve({
          status: answer.statusCode!,
          body: told === '' ? {} : (JSON.parse(told) as Answer['body']),
        });
      });
    });
    asked.on('error', reject);
    if (body) asked.setHeader('content-type', 'application/json');
    asked.end(body && JSON.stringify(body));
  });

suite('the process of a cell', () => {
  const told = handoff();
  const { socketPath } = told;
  let client: OnBehalfOf;
  let cardId: string;
  let asked = 0;

  before(async () => {
    await setTestRange(cell);
    await MessagePlay.cards(cell, 'full\ncard c1 posted=10000\ncard c2 posted=20000', 'cp');
    const added = await openAccess(cell.opened, 'operators').addClient({
      actor: 'somebody',
      name: 'Back office',
      scopes: ['cards:read', 'accounts:read', 'controls:read', 'controls:write', 'migrations:read'],
    });
    client = { clientId: added.clientId, scopes: added.scopes };
    [{ cardId }] = await cell.admin.rows<{ cardId: string }>`
      select card_id as "cardId" from cards.cards order by card_id limit 1`;
    const started = startCellProcess(told, {
      log: 2,
      fileNow: () => {
        asked++;
        return readCellFile(told.home, cell.name);
      },
    });
    atEnd(() => started.stop());
    assert.ok(await started.serving);
  });

  const as = async (behalf: OnBehalfOf | undefined = client) => ({
    'relevo-caller': await gateway.present(audienceOf(text), behalf),
  });
  const get = async (path: string, behalf?: OnBehalfOf) => ask(socketPath, 'GET', path, await as(behalf));

  test('answers a client that the gateway vouches for', async () => {
    const { status, body } = await get(`/v1/cards/${cardId}`);
    assert.equal(status, 200, JSON.stringify(body));
    assert.match(String(body['pan_masked']), /^\d{6}\*{6}\d{4}$/);
    const account = await get(`/v1/accounts/${String(body['account_id'])}`);
    assert.equal(account.status, 200, JSON.stringify(account.body));
    assert.equal(account.body['available_minor'], account.body['posted_minor']);
    const page = await get('/v1/cards?limit=1');
    assert.equal((page.body['cards'] as unknown[]).length, 1);
    const rest = await get(`/v1/cards?after=${String(page.body['next'])}`);
    assert.deepEqual([(rest.body['cards'] as unknown[]).length, rest.body['next']], [1, null]);
    assert.deepEqual((await get('/v1/migrations')).status, 200);
    assert.deepEqual((await get('/v1/migrations/1')).body['reconciled'], true);
  });

  test('refuses what does not exist, in words', async () => {
    for (const [path, status, code] of [
      [`/v1/cards/${randomUUID()}`, 404, 'unknown_card'],
      [`/v1/accounts/${randomUUID()}`, 404, 'unknown_account'],
      ['/v1/migrations/99', 404, 'unknown_migration'],
      ['/v1/cards/4509170000000009', 400, 'invalid_request'],
      ['/v1/cards?limit=0', 400, 'invalid_request'],
      ['/v1/cards?other=1', 400, 'invalid_request'],
      ['/v1/tokens', 404, 'no_such_path'],
    ] as const) {
      const { status: answered, body } = await get(path);
      assert.deepEqual([answered, body['code']], [status, code], path);
    }
  });

  test('opens to nobody but the gateway, and only as far as the scopes reach', async () => {
    const path = `/v1/cards/${cardId}`;
    const stranger = new CallerIdentity('gateway', {
      kid: 'gateway',
      key: generateKeyPairSync('ed25519').privateKey,
    });
    for (const [what, headers, status, code] of [
      ['nobody', {}, 401, 'caller_unproven'],
      [
        'a key that is not the gateway’s',
        { 'relevo-caller': await stranger.present(audienceOf(text), client) },
        401,
        'caller_unproven',
      ],
      [
        'of another cell',
        { 'relevo-caller': await gateway.present('andina/production', client) },
        401,
        'caller_unproven',
      ],
      ['without a client', { 'relevo-caller': await gateway.present(audienceOf(text)) }, 401, 'unauthorised'],
      ['without the scope', await as({ ...client, scopes: ['accounts:read'] }), 403, 'scope_missing'],
      ['of a client that is not here', await as({ ...client, clientId: 'nobody' }), 401, 'client_revoked'],
    ] as const) {
      const answer = await ask(socketPath, 'GET', path, headers);
      assert.deepEqual([answer.status, answer.body['code']], [status, code], what);
    }
  });

  test('writes down who reads cards, before they are read', async () => {
    const audit = await openAudit(cell.opened, 'operators');
    const entries = await audit.readEntries({
      order: 'newest_first',
      beyond: null,
      limit: 50,
      action: 'cards.read_card',
    });
    assert.ok(
      entries.some(({ actor, subject }) => actor === `client ${client.clientId}` && subject === cardId),
    );
  });

  test('a change takes effect once under its key, and is answered alike', async () => {
    const path = `/v1/cards/${cardId}/controls`;
    const put = async (key: string | undefined, body: object) =>
      ask(socketPath, 'PUT', path, { ...(await as()), ...(key && { 'idempotency-key': key }) }, body);
    const first = await put('k-1', { single_minor: '5000', countries: { only: ['PE'] } });
    assert.deepEqual(
      [first.status, first.body['version'], first.body['controls']],
      [200, 1, { single_minor: '5000', countries: { only: ['PE'] } }],
    );
    assert.deepEqual(await put('k-1', { countries: { only: ['PE'] }, single_minor: '5000' }), first);
    assert.equal((await put('k-2', { single_minor: '7000' })).body['version'], 2);
    assert.deepEqual(await put('k-1', { single_minor: '5000', countries: { only: ['PE'] } }), first, 'still');
    const now = await get(path);
    assert.deepEqual(now.body['controls'], { single_minor: '7000' });
    for (const [key, body, status, code] of [
      [undefined, {}, 400, 'no_idempotency_key'],
      ['k 1', {}, 400, 'no_idempotency_key'],
      ['k-1', { single_minor: '1' }, 422, 'key_of_other_content'],
      ['k-3', { single_minor: 5 }, 400, 'invalid_request'],
      ['k-3', { categories: { only: ['5933-5900'] } }, 422, 'bad_controls'],
    ] as const) {
      const answer = await put(key, body);
      assert.deepEqual([answer.status, answer.body['code']], [status, code], JSON.stringify(answer.body));
    }
    assert.equal((await put('k-3', { daily_count: 3 })).status, 200, 'what was refused left its key free');
  });

  test('gives tokens to clients, through the gateway alone', async () => {
    assert.equal((await ask(socketPath, 'GET', '/oauth/jwks')).status, 403);
    const jwks = await ask(socketPath, 'GET', '/oauth/jwks', {
      'relevo-caller': await gateway.present(audienceOf(text)),
    });
    assert.equal((jwks.body['keys'] as unknown[]).length, 1);
  });

  test('learns of rotated keys, although it may not read its cell file', async () => {
    const file = (await readCellFile(told.home, cell.name))!;
    const tokenKeys = rotateTokenKeys(file.tokenKeys!, new Date());
    await writeCellFile(told.home, { ...file, tokenKeys });
    const { kid } = tokenKeys.at(-1)!;
    await until('the new key is published', async () => {
      const { body } = await ask(socketPath, 'GET', '/oauth/jwks', {
        'relevo-caller': await gateway.present(audienceOf(text)),
      });
      return (body['keys'] as { kid: string }[]).some((key) => key.kid === kid);
    });
    assert.ok(asked > 0);
    assert.equal((await get(`/v1/cards/${cardId}`)).status, 200, 'it still serves');
  });

  test('a revoked client is refused within seconds', async () => {
    await openAccess(cell.opened, 'operators').revokeClient({ actor: 'somebody', clientId: client.clientId });
    for (let tries = 0; ; tries++) {
      const { status, body } = await get(`/v1/cards/${cardId}`);
      if (status === 401) {
        assert.equal(body['code'], 'client_revoked');
        break;
      }
      assert.ok(tries < 40, 'it is still let in');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
});

test('a process that nobody asks says so, and ends when it is let go', async () => {
  const idle = Promise.withResolvers<void>();
  const started = startCellProcess(handoff({ idleSeconds: 1 }), { log: 2, onIdle: idle.resolve });
  assert.ok(await started.serving);
  await idle.promise;
  await started.stop();
  assert.equal(await started.ended, 0);
});

test('a spare process becomes that of the cell it is handed', async () => {
  const spare = new SpareProcess(2);
  // Whoever waits alone keeps nobody up, so the test does.
  const up = setInterval(() => {}, 1_000);
  await spare.ready;
  clearInterval(up);
  assert.equal(spare.isGone, false);
  const started = spare.hand(handoff());
  const serving = await started.serving;
  assert.ok(serving);
  await started.stop();
  assert.equal(await started.ended, 0);
  assert.equal(spare.isGone, true);
});

test('a spare process that is let go has nothing to finish', async () => {
  const spare = new SpareProcess(2);
  await spare.letGo();
  assert.equal(spare.isGone, true);
  assert.equal(await spare.ended, null, 'it is not waited for until it has loaded');
});

test('what is told to a process has the passwords of its roles alone', () => {
  const { file } = cell.opened;
  assert.ok('keys' in file.passwords);
  assert.deepEqual(Object.keys(withProcessRoles(file).passwords).sort(), [...PROCESS_ROLES].sort());
});
