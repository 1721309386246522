import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of Relevo under way. */
export interface Running {
  readonly args: readonly string[];
  readonly pid: number;
  /** By the clock of this machine, which the database shares. */
  readonly startedAtMs: number;
  readonly ended: Promise<Ended>;
  hasEnded(): boolean;
  /** Its standard output so far. */
  said(): string;
  kill(signal?: NodeJS.Signals): void;
}

export const Command = {
  start(args: readonly string[], env: NodeJS.ProcessEnv): Running {
    const startedAtMs = Date.now();
    const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    let hasEnded = false;
    const ended = new Promise<Ended>((resolve) => {
      // `exit`, not `close`: workers left behind keep the pipes open.
      child.once('exit', (code, signal) => {
        hasEnded = true;
        setImmediate(() => resolve({ code, signal, ...output }));
      });
      child.once('error', () => resolve({ code: null, signal: null, ...output }));
    });
    return {
      args,
      pid: child.pid ?? 0,
      startedAtMs,
      ended,
      hasEnded: () => hasEnded,
      said: () => output.stdout,
      kill: (signal = 'SIGKILL') => void child.kill(signal),
    };
  },
};

/** The document that a command with `--json` printed. */
export function documentOf<T>({ stdout }: Ended): T {
  return JSON.parse(stdout) as T;
}

/** Waits for the end of a command, but not for ever; a command that hangs is killed and answered as null. */
export async function endOf(running: Running, msMax: number): Promise<Ended | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), msMax)));
  const ended = await Promise.race([running.ended, late]);
  clearTimeout(timer);
  if (ended === null) running.kill();
  return ended;
}
