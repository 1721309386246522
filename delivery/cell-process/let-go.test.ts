import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('whoever lets a spare process go outlives it, with nothing else to do', async () => {
  const script = `
    import { SpareProcess } from '#delivery/cell-process/start-cell-process.ts';
    await new SpareProcess(2).letGo();
    process.stdout.write('gone');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
  });
  assert.equal(stdout, 'gone');
});
