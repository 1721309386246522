import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import { openAccess } from '#delivery/local/enter-access.ts';
import { Refusal } from '#runtime/refusal.ts';
import { testCell } from '#tools/testing/cell.ts';
import { testServer } from '#tools/testing/server.ts';
import { AccessKeys } from './access-keys.ts';
import { isClientId, newClientId } from './client-id.ts';
import { serveAccess } from './main.ts';
import { operators } from './testing/cell-access.ts';

/** Clients of a cell as operators administer them, on a real database. */
const cell = await testCell();
const clients = operators(cell);
const actor = 'ana.quispe';
const add = (name: string | null, scopes: readonly string[] = ['cards:read']) =>
  clients.addClient({ actor, name, scopes });

const refusedAs = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Refusal, String(error));
  assert.equal(error.code, code);
  assert.match(`${error.message} ${error.advice}`, words);
  return true;
};

async function acts(): Promise<string[]> {
  const trail = await openAudit(cell.opened, 'operators');
  const page = { order: 'oldest_first', beyond: null, limit: 100, action: 'clients' } as const;
  return (await trail.readEntries(page)).map(
    ({ actor, action, subject, details }) => `${actor} ${action} ${subject} ${details}`,
  );
}

test('a client is added with an id of its cell and a secret that is kept nowhere', async () => {
  const added = await add('Back office', ['cards:read', 'accounts:read', 'cards:read']);
  assert.match(added.clientId, new RegExp(`^${cell.name.tenant}-production-[a-z]{14}$`));
  assert.match(added.secret, /^relevo_secret_[0-9A-Za-z]{49}$/);
  assert.deepEqual(added.scopes, ['accounts:read', 'cards:read']);
  const [listed] = await clients.listClients({ withRevoked: false });
  assert.deepEqual([listed.clientId, listed.name, listed.scopes], [added.clientId, added.name, added.scopes]);
  assert.deepEqual(
    listed.secrets.map(({ hint, validUntil }) => [hint, validUntil]),
    [[added.secret.slice(-4), null]],
  );
  const rows = await cell.admin.rows<{ row: string }>`
    select clients::text || secrets::text as row from access.clients join access.secrets using (client_id)`;
  const trail = (await acts()).join('\n');
  for (const piece of [added.secret, Buffer.from(added.secret).toString('hex'), added.secret.slice(14, 40)])
    assert.ok(!`${rows.map(({ row }) => row).join('\n')}${trail}`.includes(piece));
  assert.equal(
    (await acts()).at(-1),
    `ana.quispe clients.added ${added.clientId} {"name":"Back office","scopes":"accounts:read cards:read"}`,
  );
});

test('a client without a name is called by its id', async () => {
  const [one, other] = await Promise.all([null, null].map((name) => add(name)));
  assert.deepEqual([one.name, other.name], [one.clientId, other.clientId]);
  assert.notEqual(one.clientId, other.clientId);
});

test('what cannot be a client is refused, in order, and leaves nothing behind', async () => {
  const before = [await clients.listClients({ withRevoked: true }), await acts()];
  const refused: [name: string, scopes: string[], code: string, words: RegExp][] = [
    ['', [], 'bad_client_name', /letters/],
    [' Office', [], 'bad_client_name', /letters/],
    ['Office\n', ['cards:read'], 'bad_client_name', /letters/],
    ['x'.repeat(65), ['cards:read'], 'bad_client_name', /64/],
    ['Card 4509 1700 0000 0009', ['cards:read'], 'bad_client_name', /long numbers/],
    ['4509170000000009', ['cards:read'], 'bad_client_name', /long numbers/],
    ["x'); drop table access.clients; --", ['cards:read'], 'bad_client_name', /letters/],
    ['Nothing', [], 'no_scopes', /Scopes are: accounts:read, /],
    [
      'Too much',
      ['cards:read', 'cards:wriet'],
      'unknown_scope',
      /"cards:wriet"\. Scopes are: accounts:read, /,
    ],
    ['back OFFICE', ['cards:read'], 'client_name_taken', /relevo client renew/],
  ];
  for (const [name, scopes, code, words] of refused)
    await assert.rejects(add(name, scopes), (error) => {
      assert.doesNotMatch((error as Error).message, /4509/);
      return refusedAs(code, words)(error);
    });
  assert.deepEqual([await clients.listClients({ withRevoked: true }), await acts()], before);
});

test('an addition that comes several times at once makes one client', async () => {
  const all = await Promise.allSettled(
    Array.from({ length: 6 }, () => openAccess(cell.opened, 'operators')).map((each) =>
      each.addClient({ actor, name: 'Once', scopes: ['cards:read'] }),
    ),
  );
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const each of all) if (each.status === 'rejected') refusedAs('client_name_taken', /Once/)(each.reason);
});

test('revoking is for good; a second time changes nothing and says when it was', async () => {
  const { clientId } = await add('Leaver');
  const first = await clients.revokeClient({ actor, clientId });
  assert.equal(first.wasRevoked, false);
  const entries = await acts();
  assert.equal(entries.at(-1), `ana.quispe clients.revoked ${clientId} {"name":"Leaver"}`);
  assert.deepEqual(await clients.revokeClient({ actor, clientId }), { ...first, wasRevoked: true });
  assert.deepEqual(await acts(), entries);
  await assert.rejects(
    clients.renewSecret({ actor, clientId, overlapSeconds: 0 }),
    refusedAs('client_revoked', /relevo client add/),
  );
  const listed = await clients.listClients({ withRevoked: true });
  assert.deepEqual(listed.find((each) => each.clientId === clientId)?.secrets, []);
  assert.ok(!(await clients.listClients({ withRevoked: false })).some((each) => each.clientId === clientId));
  assert.notEqual((await add('Leaver')).clientId, clientId, 'its name is free again');
});

test('a renewal gives the other secrets an end and never a later one', async () => {
  const { clientId, secret } = await add('Renewed');
  const ends = async () => {
    const listed = await clients.listClients({ withRevoked: false });
    return listed
      .find((each) => each.clientId === clientId)!
      .secrets.map(({ hint, validUntil }) => [hint, validUntil]);
  };
  const second = await clients.renewSecret({ actor, clientId, overlapSeconds: 3600 });
  const soon = second.othersValidUntil;
  assert.deepEqual(await ends(), [
    [second.secret.slice(-4), null],
    [secret.slice(-4), soon],
  ]);
  const third = await clients.renewSecret({ actor, clientId, overlapSeconds: 86_400 });
  assert.deepEqual(await ends(), [
    [third.secret.slice(-4), null],
    [second.secret.slice(-4), third.othersValidUntil],
    [secret.slice(-4), soon],
  ]);
  const hours = (third.othersValidUntil.getTime() - Date.now()) / 3_600_000;
  assert.ok(hours > 23.9 && hours <= 24.01);
  for (let i = 0; i < 2; i++) await clients.renewSecret({ actor, clientId, overlapSeconds: 60 });
  await assert.rejects(
    clients.renewSecret({ actor, clientId, overlapSeconds: 60 }),
    refusedAs('too_many_secrets', /5 valid secrets.*--overlap 0/),
  );
  assert.equal((await ends()).length, 5);
  const last = await clients.renewSecret({ actor, clientId, overlapSeconds: 0 });
  assert.deepEqual(await ends(), [[last.secret.slice(-4), null]]);
  assert.match((await acts()).at(-1)!, /clients\.secret_renewed .*"overlap_seconds":0/);
});

test('overlaps out of bounds and unknown clients are refused', async () => {
  const { clientId } = await add('Bounds');
  for (const overlapSeconds of [-1, 0.5, NaN, 30 * 86_400 + 1])
    await assert.rejects(
      clients.renewSecret({ actor, clientId, overlapSeconds }),
      refusedAs('bad_overlap', /30 days/),
    );
  for (const unknown of [newClientId(cell.name), '', "' or 1=1 --"])
    for (const act of [
      clients.revokeClient({ actor, clientId: unknown }),
      clients.renewSecret({ actor, clientId: unknown, overlapSeconds: 0 }),
    ])
      await assert.rejects(act, refusedAs('unknown_client', /relevo client list/));
});

test('an act that the audit trail cannot tell of does not take effect', async () => {
  const mute = () =>
    Promise.resolve({ appendEntries: () => Promise.reject(new Refusal('bad_entry', 'No entry.')) });
  const served = serveAccess(
    { db: cell.opened.connect('access', 1), audit: mute },
    { cell: cell.name, keys: new AccessKeys(Buffer.alloc(32)), knownScopes: ['cards:read'] },
  );
  const silent = cell.opened.calls.client(served, 'operators');
  const { clientId } = await add('Told');
  const before = await clients.listClients({ withRevoked: true });
  for (const act of [
    silent.addClient({ actor, name: 'Untold', scopes: ['cards:read'] }),
    silent.revokeClient({ actor, clientId }),
    silent.renewSecret({ actor, clientId, overlapSeconds: 0 }),
  ])
    await assert.rejects(act, refusedAs('bad_entry', /No entry/));
  assert.deepEqual(await clients.listClients({ withRevoked: true }), before);
});

test('a cell has a bounded number of clients', async (t) => {
  const full = await testCell(t);
  await full.admin.run`
    insert into access.clients (client_id, name, scopes)
    select 'c' || i, 'Client ' || i, ${['cards:read']} from generate_series(1, 1000) as i`;
  const add = () => operators(full).addClient({ actor, name: 'One more', scopes: ['cards:read'] });
  await assert.rejects(add(), refusedAs('too_many_clients', /1000 clients/));
  await operators(full).revokeClient({ actor, clientId: 'c7' });
  assert.ok(isClientId((await add()).clientId));
});

test('a cell of an earlier release says how it is brought to this one', async () => {
  const { server } = await testServer();
  const opened = await openCell(server, cell.opened.home, cell.name);
  const { clientSecretKey: _, ...older } = opened.file;
  assert.throws(
    () => openAccess({ ...opened, file: older }, 'operators'),
    refusedAs('schema_mismatch', /relevo tenant add/),
  );
  await opened.close();
});
