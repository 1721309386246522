import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { acquireServer, withServer, type Server } from './server.ts';
import { query, temporaryHome } from './testing/homes.ts';

const home = '/nonexistent'; // never looked at
const socketFolderOf = (server: Server): string => new URL(server.adminUrl).searchParams.get('host')!;
const refusal = (databaseUrl: string, code: string): Promise<void> =>
  assert.rejects(acquireServer({ home, databaseUrl }), (error: Error & { code: string }) => {
    assert.equal(error.name, 'ServerError');
    assert.equal(error.code, code, error.message);
    assert.doesNotMatch(error.message, /secret/, 'no password in a message');
    return true;
  });

/** The embedded server listens on no port; a relay makes the one that a server of an operator would have. */
async function portTo(t: TestContext, server: Server): Promise<number> {
  const relay = createServer((socket) => {
    const target = connect(join(socketFolderOf(server), '.s.PGSQL.5432'));
    socket.pipe(target).pipe(socket);
    for (const end of [socket, target]) end.on('error', () => {});
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => relay.close());
  return (relay.address() as AddressInfo).port;
}

test('a server of the operator', async (t) => {
  await withServer({ home: await temporaryHome(t) }, async (embedded) => {
    const { adminUrl } = embedded;
    await query(adminUrl, `create role builder login createdb createrole password 'secret'`);
    await query(adminUrl, `create role reader login password 'secret'`);
    // A server of an operator lets every role into these two, unless somebody has closed them.
    await query(adminUrl, 'grant connect on database postgres, template1 to public');
    const folder = socketFolderOf(embedded);
    const port = await portTo(t, embedded);

    await t.test('is used by TCP and by Unix socket, in every form of address', async () => {
      for (const databaseUrl of [
        `postgres://builder:secret@127.0.0.1:${port}/postgres`,
        `postgresql://builder:secret@localhost/postgres?host=${folder}`,
        `postgresql://builder:secret@/postgres?host=${encodeURIComponent(folder)}`,
        `postgresql:///postgres?host=${folder}&user=builder&password=secret`,
        `postgresql://builder:secret@${encodeURIComponent(folder)}/postgres`,
      ]) {
        await withServer({ home, databaseUrl }, async (server) => {
          const login = 'select current_user::text as login';
          assert.deepEqual(await query(server.adminUrl, login), [{ login: 'builder' }], databaseUrl);
          const url = server.urlFor('template1', 'reader', 'secret');
          assert.deepEqual(await query(url, login), [{ login: 'reader' }], databaseUrl);
          await server.release();
        });
      }
      await query(adminUrl, 'select'); // whoever started it stops it
    });

    await t.test('is refused when it cannot serve', async () => {
      const base = `@127.0.0.1:${port}`;
      await refusal(`postgres://reader:secret${base}/postgres`, 'role_not_allowed');
      await refusal(`postgres://builder:wrong-secret${base}/postgres`, 'login_refused');
      await refusal(`postgres://builder${base}/postgres`, 'login_refused');
      await refusal(`postgres://builder:secret${base}/nowhere`, 'url_invalid');
      await refusal(`postgres://builder:secret@127.0.0.1:1/postgres`, 'url_unreachable');
      await refusal(`postgres://builder:secret@/postgres?host=/nonexistent`, 'url_unreachable');
      await refusal(`mysql://builder:secret${base}/postgres`, 'url_invalid');
      await refusal(`postgres://builder:secret@[127.0.0.1/postgres`, 'url_invalid');
      await refusal('secret', 'url_invalid');
    });

    await t.test('is refused when it is older than 15', async () => {
      await query(adminUrl, `create role veteran login superuser password 'secret'`);
      await query(adminUrl, 'create schema past');
      await query(
        adminUrl,
        `create function past.current_setting(text) returns text return case $1 when 'server_version_num' then '140013' end`,
      );
      await query(adminUrl, 'alter role veteran set search_path = past, pg_catalog');
      await refusal(`postgres://veteran:secret@127.0.0.1:${port}/postgres`, 'version_too_old');
    });
  });
});
