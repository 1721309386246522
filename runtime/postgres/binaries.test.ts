import assert from 'node:assert/strict';
import { chmod, cp, mkdir, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { installedBinaries, linkLibraries, usableBinaries, type Binaries } from './binaries.ts';
import { runProgram } from './run-program.ts';
import { temporaryFolder } from './testing/homes.ts';
import { isRoot, nobody } from './unprivileged.ts';

/** The installed build in a folder of the test's, without the links npm's script would have made. */
async function asUnpacked(folder: string): Promise<Binaries> {
  const { folder: native, version } = await installedBinaries();
  const lib = join(native, 'lib');
  const isLink = new Set(
    (await readdir(lib, { withFileTypes: true })).flatMap((entry) =>
      entry.isSymbolicLink() ? join(lib, entry.name) : [],
    ),
  );
  await cp(native, join(folder, 'native'), { recursive: true, filter: (source) => !isLink.has(source) });
  return { folder: join(folder, 'native'), version };
}

const versionOf = async ({ folder }: Binaries, account?: { uid: number; gid: number }): Promise<string> =>
  (await runProgram({ program: join(folder, 'bin', 'postgres'), args: ['--version'], account })).said;

suite('the binaries', () => {
  test('libraries are linked as the build lists them, by several processes at once', async (t) => {
    const folder = await temporaryFolder(t);
    await mkdir(join(folder, 'lib'));
    const list = [1, 2, 3].map((n) => ({
      source: `native/lib/a.so.${n}.18`,
      target: `native/lib/a.so.${n}`,
    }));
    await writeFile(join(folder, 'pg-symlinks.json'), JSON.stringify(list));
    await symlink('a.so.1.18', join(folder, 'lib', 'a.so.1'));
    await Promise.all([linkLibraries(folder), linkLibraries(folder), linkLibraries(folder)]);
    assert.equal(await readlink(join(folder, 'lib', 'a.so.3')), 'a.so.3.18');
    assert.equal((await readdir(join(folder, 'lib'))).length, 3);
  });

  test('installed without links and in a folder that cannot be written, a copy serves', async (t) => {
    if (isRoot()) return t.skip('root may write everywhere');
    const installed = await asUnpacked(await temporaryFolder(t));
    await chmod(join(installed.folder, 'lib'), 0o555);
    const copies = await temporaryFolder(t);
    const [one, two] = await Promise.all([1, 2].map(() => usableBinaries({ installed, copies })));
    await chmod(join(installed.folder, 'lib'), 0o755); // so that it can be removed
    assert.deepEqual(one, two);
    assert.deepEqual(await readdir(copies), [`postgresql-${installed.version}`]);
    assert.match(await versionOf(one), /^postgres \(PostgreSQL\) 18/);
  });

  test('installed where the user of the server cannot go, a copy serves', async (t) => {
    if (!isRoot()) return t.skip('needs root');
    const installed = await asUnpacked(await temporaryFolder(t, { closed: true }));
    const copies = join(await temporaryFolder(t), 'system');
    const account = nobody();
    const [one, two] = await Promise.all([1, 2].map(() => usableBinaries({ installed, account, copies })));
    assert.deepEqual(one, two);
    assert.match(await versionOf(one, account), /^postgres \(PostgreSQL\) 18/);
    const { ino } = await stat(one.folder);
    assert.equal((await stat((await usableBinaries({ installed, account, copies })).folder)).ino, ino);
  });
});
