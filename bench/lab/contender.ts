import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Measured, Meter } from '../meter/meter.ts';

/**
 * A contender runs in a process of its own and says when the part begins and ends that counts; the meter stands
 * outside. Messages: parent sends the options; the child sends `begin`, the parent answers when it watches; the
 * child sends `end` with its own clock's seconds; at last the child sends its result.
 */
type FromChild =
  | { readonly begin: string }
  | { readonly end: string; readonly seconds: number }
  | { readonly result: unknown };

/** Runs `work` as a part that counts, under a name. */
export type Measure = <T>(part: string, work: () => Promise<T>) => Promise<T>;

export interface ContenderRun<R> {
  readonly result: R;
  /** Each part in the order in which it was measured; a name may come several times. */
  readonly parts: readonly { readonly part: string; readonly measured: Measured }[];
}

/** In the child: `if (import.meta.main) await runAsContender(work)`. */
export async function runAsContender<O>(
  work: (options: O, measure: Measure) => Promise<unknown>,
): Promise<void> {
  endWithParent();
  const [options] = (await once(process, 'message')) as [O];
  const tell = async (message: FromChild) => {
    process.send!(message);
    await once(process, 'message');
  };
  const result = await work(options, async (part, work) => {
    await tell({ begin: part });
    const startedAt = performance.now();
    const answer = await work();
    await tell({ end: part, seconds: (performance.now() - startedAt) / 1000 });
    return answer;
  });
  await tell({ result });
  process.exit();
}

/** A child of the benchmark has no reason to outlive its parent, however that ended. */
export const endWithParent = (): void => void process.once('disconnect', () => process.exit(1));

/** Contenders start often; none of them should compile the same sources again. */
const { directory: compileCache } = enableCompileCache();

interface Surroundings {
  readonly meter: Pick<Meter, 'begin'>;
  readonly environment: NodeJS.ProcessEnv;
  readonly children: Set<ChildProcess>;
}

/** In the benchmark: starts the contender of `file` and watches it. */
export async function runContender<R>(
  file: URL,
  options: object,
  { meter, environment, children }: Surroundings,
): Promise<ContenderRun<R>> {
  const parts: { part: string; measured: Measured }[] = [];
  // Whatever it prints is no result of ours.
  const child = fork(fileURLToPath(file), {
    env: { ...environment, NODE_COMPILE_CACHE: compileCache },
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  children.add(child);
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  let result: R | undefined;
  let finish: ((seconds?: number) => Promise<Measured>) | undefined;
  const failed = new Promise<never>((_, reject) => {
    child.on('message', (message: FromChild) => {
      const answer = async () => {
        if ('begin' in message) finish = await meter.begin(child.pid!);
        else if ('end' in message)
          parts.push({ part: message.end, measured: await finish!(message.seconds) });
        else result = message.result as R;
        child.send('go on');
      };
      answer().catch(reject);
    });
  });
  child.send(options);
  const status = await Promise.race([exited, failed]).finally(() => {
    child.kill();
    children.delete(child);
  });
  if (status !== 0 || result === undefined)
    throw new Error(
      `${file.pathname.split('/').at(-1)} failed (status ${status}); its own words stand above`,
    );
  return { result, parts };
}
