import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Refusal } from '#runtime/refusal.ts';
import { type Lab, withLab } from '../lab/lab.ts';
import { whenLeft } from '../lab/when-left.ts';
import type { Report } from '../lab/report.ts';
import type { Attempt, Legitimate } from './attempts.ts';
import { type Edit, type Guard, guards } from './guards.ts';
import { LAB_SETTINGS, placeText } from './isolation.ts';
import type { PartName } from './parts.ts';
import { withStage } from './stage.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What a copy does without. */
const LEFT_OUT = new Set(['node_modules', '.git', '.relevo', 'docs', 'bench']);
/** Many times what a part takes on a machine that does nothing else. */
const RUN_MS_MAX = 600_000;
const AT_ONCE = 2;

interface MutateOptions {
  /** The guards of these parts alone. */
  readonly only?: readonly PartName[];
  readonly chosen?: readonly Guard[];
  readonly atOnce?: number;
}

/**
 * Takes each guard away in turn, in a copy of the project, and runs the part of the proof that should notice. A proof
 * that still holds then does not look at that guard. Cells with portfolios are set up once, by the code as it is, for all
 * guards that do their work later; a guard that works while cells are set up gets cells of its own.
 */
export async function proveGuards(
  report: Report,
  { only, chosen = guardsOf(only), atOnce = AT_ONCE }: MutateOptions = {},
): Promise<void> {
  await checkEdits(chosen);
  report.progress(`${chosen.length} guards, each edit found exactly once`);
  const later = chosen.filter(({ inSetUp }) => !inSetUp);
  const queues = { later: later.values(), inSetUp: chosen.filter((each) => each.inSetUp).values() };
  const results = new Map<Guard, Found>();
  const workOff = async (queue: Iterable<Guard>, copy: Copy, lab?: Lab) => {
    for (const guard of queue) {
      const found = await without(guard, copy, lab);
      results.set(guard, found);
      report.progress(`${found.isFound ? 'found' : 'NOT FOUND'}  ${guard.name}: ${found.told}`);
    }
  };
  const runner = async (_: unknown, nth: number) => {
    const copy = await Copy.make();
    try {
      if (nth < later.length)
        await withLab(LAB_SETTINGS, (lab) =>
          withStage(lab, { ...SET_UP, progress: () => {} }, () => workOff(queues.later, copy, lab)),
        );
      await workOff(queues.inSetUp, copy);
    } finally {
      await copy.remove();
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, chosen.length) }, runner));
  for (const guard of chosen) {
    const { isFound, told } = results.get(guard)!;
    report.holds(`without ${guard.name}`, isFound, told);
  }
  report.details['guards'] = chosen.map((guard) => ({ name: guard.name, ...results.get(guard)! }));
}

/** As `--short` has it, which each run is told. */
const SET_UP = { populatedPerTenant: 1, needsPlatform: false };

/** Nothing to take away would be nothing proven. */
function guardsOf(only?: readonly PartName[]): readonly Guard[] {
  if (only === undefined) return guards;
  const chosen = guards.filter(({ part }) => only.includes(part));
  if (chosen.length > 0) return chosen;
  const parts = [...new Set(guards.map(({ part }) => part))].join(', ');
  throw new Refusal('no_guards', `No guard of the part ${only.join(', ')} can be taken away.`, {
    advice: `Parts with guards: ${parts}.`,
  });
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

async function without(guard: Guard, copy: Copy, lab?: Lab): Promise<Found> {
  try {
    await copy.edit(guard.edits);
    return judge(guard, await runPart(copy.folder, guard.part, lab));
  } finally {
    await copy.restore();
  }
}

/** The project in a folder of its own; edits are taken back, so that all but the edited files stay compiled. */
class Copy {
  readonly folder: string;
  readonly #stay = whenLeft(() => this.remove());
  readonly #originals = new Map<string, string>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Copy> {
    const copy = new Copy(await mkdtemp(join(tmpdir(), 'relevo-guard-')));
    for (const entry of await readdir(ROOT, { withFileTypes: true })) {
      if (LEFT_OUT.has(entry.name) || entry.name.startsWith('.relevo')) continue;
      await cp(join(ROOT, entry.name), join(copy.folder, entry.name), { recursive: true });
    }
    await symlink(await realpath(join(ROOT, 'node_modules')), join(copy.folder, 'node_modules'));
    return copy;
  }

  async edit(edits: readonly Edit[]): Promise<void> {
    for (const { file, from, to } of edits) {
      const path = join(this.folder, file);
      const text = await readFile(path, 'utf8');
      if (!this.#originals.has(path)) this.#originals.set(path, text);
      await writeFile(
        path,
        text.replace(from, () => to),
      );
    }
  }

  async restore(): Promise<void> {
    for (const [path, text] of this.#originals) await writeFile(path, text);
    this.#originals.clear();
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    this.#stay();
  }
}

interface Document {
  readonly held: boolean;
  readonly failure?: string;
  readonly notStopped?: readonly Attempt[];
  readonly legitimateRefused?: readonly Legitimate[];
}

async function runPart(folder: string, part: PartName, lab?: Lab): Promise<Document | string> {
  const child = spawn(
    process.execPath,
    [
      join(folder, 'proofs/main.ts'),
      ...['isolation', '--short', '--only', part, '--json'],
      ...(lab ? ['--in', placeText(lab)] : []),
    ],
    {
      cwd: folder,
      // What is compiled of a copy goes with the copy.
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'node-compile-cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const closed = new Promise((resolve) => child.once('close', resolve));
  const stay = whenLeft(() => (child.kill('SIGTERM'), closed));
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    child.kill('SIGTERM');
  }, RUN_MS_MAX);
  let [said, wrong] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong = (wrong + text).slice(-2_000)));
  child.once('error', (error) => (wrong = error.message)); // its end is told as well
  await closed;
  clearTimeout(late);
  stay();
  if (isLate) return `it had not ended after ${RUN_MS_MAX / 60_000} minutes`;
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
