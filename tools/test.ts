import { globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { acquireServer, releaseServers } from '#runtime/postgres/server.ts';
import { makeHome, removeHome, SHARED_HOME } from './testing/shared-home.ts';

/**
 * Runs the tests: `npm test`, or `npm test -- cli runtime/vault/vault.test.ts` for some folders or files. All
 * test files share one embedded PostgreSQL, in a home that is gone afterwards. In the end the slowest files are named; the
 * last line counts the tests.
 *
 * Folders with the longest files come first, so that the end is not one long file on one processor.
 */
const FOLDERS = [
  'cli',
  'delivery',
  'tools',
  'bench',
  'runtime',
  'services',
  'gateway',
  'rehearsal',
  'simulators',
  'declare',
];
/** Longest of all, and hungry: among the files of the other folders, so that they do not all run at once. */
const SPREAD = 'proofs';
/**
 * Test files at once: each is a process, and every cell among them has a database of its own. One more than there are
 * processors, for a file waits a good part of its time: for a command, a lease, a disk. At most so many that the
 * connections of the one server are enough.
 */
const FILES_AT_ONCE = Math.min(availableParallelism() + 1, 6);
const SLOWEST_SHOWN = 10;

/** A test that hangs fails, and so does a file that leaves something open. */
const CHILD_FLAGS = ['--test-timeout=300000', `--import=${import.meta.resolve('./testing/end-or-fail.ts')}`];

const root = fileURLToPath(new URL('..', import.meta.url));

function testFiles(chosen: readonly string[]): string[] {
  if (chosen.length > 0) return filesIn(chosen.map((path) => relative(root, path)));
  const others = filesIn(FOLDERS);
  return [...filesIn([SPREAD]).flatMap((file) => [file, ...others.splice(0, 2)]), ...others];
}

function filesIn(places: readonly string[]): string[] {
  const patterns = places.map((place) => (isFolder(place) ? `${place}/**/*.test.ts` : place));
  const found = patterns.flatMap((pattern) =>
    globSync(pattern, { cwd: root, exclude: ['**/node_modules/**'] }).sort(),
  );
  return [...new Set(found)];
}

const isFolder = (place: string): boolean =>
  statSync(join(root, place), { throwIfNoEntry: false })?.isDirectory() ?? false;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  readonly seconds: Map<string, number>;
}

function runFiles(files: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, seconds: new Map() };
  const events = run({
    files: files.map((file) => join(root, file)),
    concurrency: FILES_AT_ONCE,
    execArgv: CHILD_FLAGS,
  });
  events.on('test:summary', (summary) => {
    if (summary.file !== undefined) {
      // Of one file; the last one is of all.
      counts.seconds.set(relative(root, summary.file), summary.duration_ms / 1000);
      return;
    }
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
if (counts.seconds.size > SLOWEST_SHOWN) {
  const slowest = [...counts.seconds].sort(([, a], [, b]) => b - a).slice(0, SLOWEST_SHOWN);
  console.log('The slowest files, in seconds:');
  for (const [file, seconds] of slowest) console.log(`${seconds.toFixed(1).padStart(7)}  ${file}`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
