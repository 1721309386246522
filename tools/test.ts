import { globSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { acquireServer, releaseServers } from '#runtime/postgres/server.ts';
import { makeHome, removeHome, SHARED_HOME } from './testing/shared-home.ts';

/**
 * Runs the tests: `npm test`, or `npm test -- cli runtime/vault/vault.test.ts` for some folders or files. All
 * test files share one embedded PostgreSQL, in a home that is gone afterwards. The last line counts the tests.
 */
const FOLDERS = [
  'declare',
  'runtime',
  'services',
  'gateway',
  'delivery',
  'cli',
  'simulators',
  'rehearsal',
  'proofs',
  'bench',
  'tools',
];
/** Test files at once: each is a process, and every cell among them has a database of its own. */
const FILES_AT_ONCE = 2;

/** A test that hangs fails, and so does a file that leaves something open. */
const CHILD_FLAGS = ['--test-timeout=300000', `--import=${import.meta.resolve('./testing/end-or-fail.ts')}`];

const root = fileURLToPath(new URL('..', import.meta.url));

function testFiles(chosen: readonly string[]): string[] {
  const places = chosen.length > 0 ? chosen.map((path) => relative(root, path)) : FOLDERS;
  const patterns = places.map((place) => (isFolder(place) ? `${place}/**/*.test.ts` : place));
  return [...new Set(globSync(patterns, { cwd: root, exclude: ['**/node_modules/**'] }))].sort();
}

const isFolder = (place: string): boolean =>
  statSync(join(root, place), { throwIfNoEntry: false })?.isDirectory() ?? false;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function runFiles(files: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const events = run({
    files: files.map((file) => join(root, file)),
    concurrency: FILES_AT_ONCE,
    execArgv: CHILD_FLAGS,
  });
  events.on('test:summary', (summary) => {
    if (summary.file !== undefined) return; // of one file; the last one is of all
    counts.passed = summary.counts.passed;
    counts.failed =
      summary.counts.tests - summary.counts.passed - summary.counts.skipped - summary.counts.todo;
    counts.skipped = summary.counts.skipped + summary.counts.todo;
  });
  const report = events.compose(spec);
  report.pipe(process.stdout, { end: false });
  return new Promise((resolve, reject) => {
    report.on('end', () => resolve(counts));
    report.on('error', reject);
  });
}

const home = await makeHome();
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => {
    void releaseServers().finally(() => process.exit(status));
  });
// Tests kill processes of ours, never this server: those that kill a server have one of their own, which is durable.
const server = await acquireServer({ home, isThrownAway: true });
process.env[SHARED_HOME] = home;
let counts: Counts;
try {
  counts = await runFiles(testFiles(process.argv.slice(2)));
} finally {
  await server.release();
  await removeHome(home);
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
