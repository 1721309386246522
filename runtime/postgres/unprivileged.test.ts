import assert from 'node:assert/strict';
import { chown, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { acquireServer, withServer } from './server.ts';
import { hold, query, serverOf, temporaryFolder, temporaryHome } from './testing/homes.ts';
import { accountMay, isRoot, nobody } from './unprivileged.ts';

const user = { uid: 1000, gid: 1000 };

suite('root', { concurrency: 2, skip: !isRoot() && 'needs root' }, () => {
  test('lends the server the user nobody, or another one', async (t) => {
    for (const [runAs, uid] of [
      [undefined, nobody().uid],
      [{ uid: 4711, gid: 4711 }, 4711],
    ] as const) {
      const home = await temporaryHome(t);
      await withServer({ home, runAs }, async ({ adminUrl }) => {
        await query(adminUrl, 'select');
        const { pid } = (await serverOf(home))!.mark;
        assert.equal((await stat(`/proc/${pid}`)).uid, uid);
      });
      assert.equal((await stat(join(home, 'postgres', 'data'))).uid, uid);
      assert.equal((await stat(join(home, 'postgres', 'password'))).mode & 0o777, 0o600);
    }
  });

  test('keeps the data elsewhere when that user cannot reach the home', async (t) => {
    const folder = await temporaryFolder(t, { closed: true });
    const systemFolder = join(await temporaryFolder(t), 'system');
    const home = join(folder, 'home');
    await withServer({ home, systemFolder }, ({ adminUrl }) => query(adminUrl, 'create table kept ()'));
    assert(!(await readdir(join(home, 'postgres'))).includes('data'));
    await withServer({ home, systemFolder }, ({ adminUrl }) => query(adminUrl, 'table kept'));

    const copy = join(folder, 'copy');
    cpSync(home, copy, { recursive: true, verbatimSymlinks: true });
    await assert.rejects(acquireServer({ home: copy, systemFolder }), { code: 'home_copied' });

    const moved = join(folder, 'moved');
    await rename(home, moved);
    await withServer({ home: moved, systemFolder }, ({ adminUrl }) => query(adminUrl, 'table kept'));
    await rename(moved, home);

    await rm(systemFolder, { recursive: true });
    await assert.rejects(acquireServer({ home, systemFolder }), { code: 'data_missing' });
  });

  test('tells what to do when that user can reach neither place', async (t) => {
    const folder = await temporaryFolder(t, { closed: true });
    const systemFolder = join(folder, 'system');
    await assert.rejects(acquireServer({ home: join(folder, 'home'), systemFolder }), {
      code: 'not_permitted',
      message: /chmod o\+x/,
    });
  });

  test('and an ordinary user take turns in a home of that user', async (t) => {
    if (!(await accountMay(user, ['may run', process.execPath], ['may read', import.meta.filename]))) {
      return t.skip('this checkout is closed to ordinary users');
    }
    const home = await temporaryHome(t);
    await mkdir(home);
    await chown(home, user.uid, user.gid);
    for (let turn = 0; turn < 2; turn++) {
      await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'select'));
      await (await hold({ home }, user)).release();
    }
    assert.equal((await stat(join(home, 'postgres', 'password'))).uid, user.uid);
    assert.equal((await stat(join(home, 'postgres', 'data'))).uid, user.uid);
  });
});
