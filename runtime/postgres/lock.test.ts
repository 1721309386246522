import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { withLock } from './lock.ts';
import { markOf } from './processes.ts';
import { temporaryFolder } from './testing/homes.ts';

const quiet = { waitMsMax: 10_000, purpose: 'testing', log: () => {} };

/** A process that does `body` with `withLock`, `folder` and `locking` at hand. */
function otherProcess(folder: string, body: string): ReturnType<typeof spawn> {
  const code = `
    import { withLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))};
    import { readFileSync, writeFileSync } from 'node:fs';
    const folder = ${JSON.stringify(folder)};
    const locking = { folder: folder + '/lock', waitMsMax: 10_000, purpose: 'testing', log() {} };
    ${body}`;
  return spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

suite('the lock', () => {
  test('one process at a time does its work', async (t) => {
    const folder = await temporaryFolder(t);
    await mkdir(join(folder, 'lock'));
    await writeFile(join(folder, 'count'), '0');
    const body = `
      for (let i = 0; i < 50; i++) await withLock(locking, async () => {
        const count = Number(readFileSync(folder + '/count', 'utf8'));
        await new Promise(setImmediate);
        writeFileSync(folder + '/count', String(count + 1));
      });`;
    const processes = [1, 2, 3].map(() => otherProcess(folder, body));
    const codes = await Promise.all(processes.map(async (child) => (await once(child, 'exit'))[0] as number));
    assert.deepEqual(codes, [0, 0, 0]);
    assert.equal(await readFile(join(folder, 'count'), 'utf8'), '150');
    assert.equal((await readdir(join(folder, 'lock'))).length, 1);
  });

  test('a holder killed with SIGKILL is noticed at once', async (t) => {
    const folder = await temporaryFolder(t);
    await mkdir(join(folder, 'lock'));
    const child = otherProcess(
      folder,
      `await withLock(locking, () => process.kill(process.pid, 'SIGKILL'));`,
    );
    await once(child, 'exit');
    assert.equal((await readdir(join(folder, 'lock'))).length, 1);
    const since = performance.now();
    await withLock({ ...quiet, folder: join(folder, 'lock') }, () => Promise.resolve());
    assert(performance.now() - since < 500);
  });

  test('a holder whose number another process has now is not waited for', async (t) => {
    const folder = await temporaryFolder(t);
    await symlink(JSON.stringify({ pid: process.pid, started: 'long ago' }), join(folder, '7'));
    await withLock({ ...quiet, folder }, () => Promise.resolve());
  });

  test('waiting ends, and names who holds it and why', async (t) => {
    const folder = await temporaryFolder(t);
    await symlink(JSON.stringify({ ...markOf(process.pid), purpose: 'counting to ten' }), join(folder, '7'));
    await assert.rejects(
      withLock({ ...quiet, folder, waitMsMax: 50 }, () => Promise.resolve()),
      { code: 'lock_timeout', message: new RegExp(`process ${process.pid}, which is counting to ten`) },
    );
  });
});
