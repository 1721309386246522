import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, getPriority } from 'node:os';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Backends } from './database/backends.ts';
import type { Database } from './database/database.ts';
import { testCell } from '#tools/testing/cell.ts';

const LOWEST = constants.priority.PRIORITY_LOW;
const isLinux = existsSync('/proc/self/task');

test('a process in the background takes its threads with it', { skip: !isLinux }, async () => {
  const script = `
    import { readdirSync } from 'node:fs';
    import { getPriority } from 'node:os';
    import { Worker } from 'node:worker_threads';
    const { goToBackground } = await import(${JSON.stringify(import.meta.resolve('./priority.ts'))});
    goToBackground();
    const later = new Worker('setInterval(() => {}, 1000)', { eval: true });
    await new Promise((resolve) => later.once('online', resolve));
    const threads = readdirSync('/proc/self/task').map(Number);
    console.log(JSON.stringify([threads.length, [...new Set(threads.map((thread) => getPriority(thread)))]]));
    process.exit();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const [threads, priorities] = JSON.parse(stdout) as [number, number[]];
  assert.ok(threads > 2);
  assert.deepEqual(priorities, [LOWEST]);
});

test("PostgreSQL's side of connections goes to the background with them, and nobody else's", async (t) => {
  const { opened, admin } = await testCell(t);
  const about = async (db: Database) => {
    const [{ pid, commits }] = await db.rows<{ pid: number; commits: string }>`
      select pg_backend_pid() as pid, current_setting('synchronous_commit') as commits`;
    return { priority: getPriority(pid), commits };
  };
  const backends = new Backends();
  const before = opened.connect('ledger', 1, { backends });
  const usual = await about(admin);
  assert.equal(usual.commits, 'on');
  assert.deepEqual(await about(before), usual);
  backends.goToBackground();
  assert.deepEqual(await about(before), { priority: LOWEST, commits: 'on' });
  const after = opened.connect('cards', 1, { backends, commitsLater: true });
  assert.deepEqual(await about(after), { priority: LOWEST, commits: 'off' });
  assert.deepEqual(await about(opened.connect('cards', 1)), usual);
});
