import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';

/**
 * Loaded before every test file. A file fails when its process ends before its tests do, and when its tests are
 * over and something that they left open keeps it from ending, which would wait for ever. Node's own
 * `--test-force-exit` is no choice: it ends a file before its last results are written, and tests go missing
 * without a word.
 */
const GRACE_MS = 10_000;

const file = process.argv[1];
/** The flags of a process are handed on to the threads and the processes that it forks; they are no test files. */
if (isMainThread && file.endsWith('.test.ts')) {
  let areOver = false;
  after(() => {
    areOver = true;
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().join(', ');
      console.error(`The tests of ${file} are over and it does not end; still open: ${open}`);
      process.exit(1);
    }, GRACE_MS).unref();
  });
  process.once('exit', () => {
    if (areOver) return;
    console.error(`${file} ended before its tests did.`);
    process.exitCode = 1;
  });
}
