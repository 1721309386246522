import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { acquireServer, withServer } from './server.ts';
import { hold, query, serverOf, temporaryFolder, temporaryHome } from './testing/homes.ts';
import { isRoot } from './unprivileged.ts';

const nothing = (): Promise<void> => Promise.resolve();

suite('the data folder', { concurrency: 2 }, () => {
  test('a home that is moved keeps its data, and its running server', async (t) => {
    const folder = await temporaryFolder(t);
    const before = join(folder, 'before');
    const home = join(folder, 'home');
    await withServer({ home: before }, ({ adminUrl }) => query(adminUrl, 'create table kept ()'));
    await rename(before, home);
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'table kept'));

    await (await hold({ home })).kill();
    const { mark } = (await serverOf(home))!;
    await rename(home, before);
    await withServer({ home: before }, async () => assert.deepEqual((await serverOf(before))!.mark, mark));
    assert.equal(await serverOf(before), undefined);
  });

  test('a copy of a home is a home of its own, even one made while the server ran', async (t) => {
    const home = await temporaryHome(t);
    const copy = await temporaryHome(t);
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'create table kept ()'));
    await (await hold({ home })).kill();
    await query((await acquireServer({ home })).adminUrl, 'checkpoint'); // a copy has no other protection
    await cp(home, copy, { recursive: true, verbatimSymlinks: true });
    const original = (await serverOf(home))!;
    assert.equal(await serverOf(copy), undefined);
    await withServer({ home: copy }, async ({ adminUrl }) => {
      await query(adminUrl, 'table kept');
      assert.notEqual((await serverOf(copy))!.mark.pid, original.mark.pid);
    });
    assert.deepEqual((await serverOf(home))!.mark, original.mark);
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'table kept'));
  });

  test('a copy that lost its owner and its mode is mended', async (t) => {
    const home = await temporaryHome(t);
    await withServer({ home }, nothing);
    const data = join(home, 'postgres', 'data');
    execFileSync('chmod', ['-R', 'u+rwX,go+rX', data]);
    if (isRoot()) execFileSync('chown', ['-R', '0:0', data]);
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'select'));
    assert.equal((await stat(data)).mode & 0o777, 0o700);
  });

  test('what no server of this version could have left is refused, and stays as it is', async (t) => {
    const home = await temporaryHome(t);
    const data = join(home, 'postgres', 'data');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'base'), '');
    await assert.rejects(acquireServer({ home }), { code: 'data_damaged', where: data });
    await writeFile(join(data, 'PG_VERSION'), '17\n');
    await assert.rejects(acquireServer({ home }), { code: 'data_version', where: data });
    assert.deepEqual((await readdir(data)).sort(), ['PG_VERSION', 'base']);
  });

  test('without the password the data is not touched', async (t) => {
    const home = await temporaryHome(t);
    await withServer({ home }, nothing);
    await rm(join(home, 'postgres', 'password'));
    await assert.rejects(acquireServer({ home }), { code: 'password_missing' });
    await writeFile(join(home, 'postgres', 'password'), 'another');
    await assert.rejects(acquireServer({ home }), { code: 'login_refused' });
    assert.equal(await serverOf(home), undefined);
  });

  test('a server that cannot start says why', async (t) => {
    const home = await temporaryHome(t);
    await withServer({ home }, nothing);
    await rm(join(home, 'postgres', 'data', 'global', 'pg_control'));
    await assert.rejects(acquireServer({ home }), { code: 'start_failed', message: /pg_control/ });
    assert.deepEqual(await readdir(join(home, 'postgres', 'users')), []);
  });

  const mayMount = isRoot() && process.platform === 'linux';
  test('a full disk is told as such', { skip: !mayMount && 'only root can make a small disk' }, async (t) => {
    const disk = await temporaryFolder(t);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'relevo-test', disk], { stdio: 'ignore' });
    } catch {
      return t.skip('this container cannot mount');
    }
    try {
      const home = join(disk, 'home');
      await assert.rejects(acquireServer({ home }), { code: 'disk_full' });
      assert.deepEqual((await readdir(join(home, 'postgres'))).sort(), ['lock', 'password', 'users']);

      execFileSync('mount', ['-o', 'remount,size=100m', disk]);
      await withServer({ home }, nothing);
      await assert.rejects(writeFile(join(disk, 'filler'), Buffer.alloc(100 << 20)), { code: 'ENOSPC' });
      await assert.rejects(acquireServer({ home }), { code: 'disk_full' });
      await rm(join(disk, 'filler'));
      await withServer({ home }, nothing);
    } finally {
      execFileSync('umount', ['--lazy', disk]);
    }
  });
});
