import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from '../lab/report.ts';
import type { Attempt, Legitimate } from './attempts.ts';
import { type Guard, guards } from './guards.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What a copy does without. */
const LEFT_OUT = new Set(['node_modules', '.git', '.relevo', 'docs', 'bench']);
const RUN_MS_MAX = 180_000;
const AT_ONCE = 2;

/**
 * Takes each guard away in turn, in a copy of the project, and runs the part of the proof that should notice. A proof
 * that still holds then does not look at that guard.
 */
export async function proveGuards(
  report: Report,
  chosen: readonly Guard[] = guards,
  atOnce = AT_ONCE,
): Promise<void> {
  await checkEdits(chosen);
  report.progress(`${chosen.length} guards, each edit found exactly once`);
  const waiting = chosen.values();
  const results = new Map<Guard, Found>();
  // Ctrl-C reaches the runs, too, and each clears its home away; their copies of the project are this process's.
  const leave = () => void clearCopies().finally(() => process.exit(130));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const guard of waiting) {
        const found = await without(guard);
        results.set(guard, found);
        report.progress(`${found.isFound ? 'found' : 'NOT FOUND'}  ${guard.name}: ${found.told}`);
      }
    }),
  );
  process.off('SIGINT', leave).off('SIGTERM', leave);
  for (const guard of chosen) {
    const { isFound, told } = results.get(guard)!;
    report.holds(`without ${guard.name}`, isFound, told);
  }
  report.details['guards'] = chosen.map((guard) => ({ name: guard.name, ...results.get(guard)! }));
}

interface Found {
  readonly isFound: boolean;
  readonly told: string;
}

/** An edit that fits nowhere, or twice, would prove nothing. */
export async function checkEdits(chosen: readonly Guard[] = guards): Promise<void> {
  for (const { name, edits } of chosen)
    for (const { file, from } of edits) {
      const times = (await readFile(join(ROOT, file), 'utf8')).split(from).length - 1;
      if (times !== 1)
        throw new Error(
          `the guard "${name}" is found ${times} times in ${file}: mend proofs/isolation/guards.ts`,
        );
    }
}

async function without(guard: Guard): Promise<Found> {
  const folder = await mkdtemp(join(tmpdir(), 'relevo-guard-'));
  copies.add(folder);
  try {
    await copyProject(folder);
    for (const { file, from, to } of guard.edits) {
      const path = join(folder, file);
      await writeFile(
        path,
        (await readFile(path, 'utf8')).replace(from, () => to),
      );
    }
    return judge(guard, await runPart(folder, guard.part));
  } finally {
    await rm(folder, { recursive: true, force: true });
    copies.delete(folder);
  }
}

const copies = new Set<string>();
const clearCopies = () =>
  Promise.all([...copies].map((folder) => rm(folder, { recursive: true, force: true })));

async function copyProject(folder: string): Promise<void> {
  for (const entry of await readdir(ROOT, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name) || entry.name.startsWith('.relevo')) continue;
    await cp(join(ROOT, entry.name), join(folder, entry.name), { recursive: true });
  }
  await symlink(await realpath(join(ROOT, 'node_modules')), join(folder, 'node_modules'));
}

interface Document {
  readonly held: boolean;
  readonly failure?: string;
  readonly notStopped?: readonly Attempt[];
  readonly legitimateRefused?: readonly Legitimate[];
}

async function runPart(folder: string, part: string): Promise<Document | string> {
  const child = spawn(
    process.execPath,
    [join(folder, 'proofs/main.ts'), 'isolation', '--short', '--only', part, '--json'],
    {
      cwd: folder,
      // What is compiled of a copy goes with the copy.
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'node-compile-cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const late = setTimeout(() => child.kill('SIGTERM'), RUN_MS_MAX);
  let [said, wrong] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong = (wrong + text).slice(-2_000)));
  child.once('error', (error) => (wrong = error.message)); // its end is told as well
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(late);
  try {
    return JSON.parse(said) as Document;
  } catch {
    return wrong;
  }
}

/** The proof has to fail for this guard’s sake: by the kind of attempt that looks at it, and not by falling over. */
function judge({ kind, by }: Guard, document: Document | string): Found {
  if (typeof document === 'string')
    return { isFound: false, told: `the proof fell over: ${document.trim().split('\n').at(-1)}` };
  const { held, failure, notStopped = [] } = document;
  if (failure !== undefined)
    return { isFound: false, told: `the proof fell over: ${failure.split('\n')[0]}` };
  const found = notStopped.filter((attempt) => attempt.kind === kind && attempt.outcome === by);
  if (held || found.length === 0)
    return { isFound: false, told: held ? 'the proof holds all the same' : `nothing ${by} in "${kind}"` };
  const [{ what, by: met }] = found;
  const covered = by === 'astray' ? `, which ${met} still stops` : '';
  return { isFound: true, told: `${found.length} ${by} of "${kind}", the first: ${what}${covered}` };
}
