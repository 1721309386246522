import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Handoff, Told } from './handoff.ts';
import { onlyCode } from './only-code.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** Serving makes garbage thousands of times a second, and collects it cheaply where it is given room. */
const YOUNG_MB = 32;

export interface CellProcess {
  readonly pid: number;
  /** Where it listens; null when it ended before it did. */
  readonly serving: Promise<Extract<Told, { state: 'serving' }> | null>;
  /** Its exit status, when it has ended. */
  readonly ended: Promise<number | null>;
  /** Tells it to answer what is under way and end, and waits. */
  stop(): Promise<void>;
}

interface Options {
  /** Where it writes what goes wrong. */
  readonly log: number;
  /** Nobody has asked it for anything for a while. */
  readonly onIdle?: () => void;
  /** The paths of files that it may read beside the code. */
  readonly readable?: readonly string[];
}

/** Starts the process of a cell. It ends with this one, however this one ends: the pipe between them closes. */
export function startCellProcess(handoff: Handoff, { log, onIdle, readable = [] }: Options): CellProcess {
  const child = spawn(
    process.execPath,
    [...onlyCode(readable), `--max-semi-space-size=${YOUNG_MB}`, MAIN],
    // Of the environment it gets nothing: what it may know is handed over. A session of its own: Ctrl-C comes
    // through the pipe, when the platform stops.
    { stdio: ['pipe', 'pipe', log], env: {}, detached: true },
  );
  const { stdin } = child;
  stdin!.on('error', () => {}); // it ended before it was told everything
  stdin!.write(`${JSON.stringify(handoff)}\n`);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    pid: child.pid!,
    serving: firstWord(child, ended, onIdle),
    ended,
    async stop() {
      stdin!.end();
      await ended;
    },
  };
}

function firstWord(
  child: ChildProcess,
  ended: Promise<unknown>,
  onIdle?: () => void,
): CellProcess['serving'] {
  const { promise, resolve } = Promise.withResolvers<Awaited<CellProcess['serving']>>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const told = JSON.parse(line) as Told;
    if (told.state === 'serving') resolve(told);
    else if (told.state === 'idle') onIdle?.();
  });
  void ended.then(() => resolve(null));
  return promise;
}
