import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SERVING_FLAGS } from '#runtime/serving-flags.ts';

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const OTHER_FLAGS = ['--max-semi-space-size=2'];

/** Starts a command of Relevo in a process of its own, as an operator at another terminal would. */
export const spawnRelevo = (args: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess =>
  spawn(process.execPath, [...(args[0] === 'serve' ? SERVING_FLAGS : OTHER_FLAGS), MAIN, ...args], {
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
  });

/** Runs a command to its end. */
export function runRelevo(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ended> {
  const child = spawnRelevo(args, environment);
  child.stdin?.end();
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (piece) => (stdout += String(piece)));
  child.stderr?.on('data', (piece) => (stderr += String(piece)));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** The document that a command with `--json` answers. It has to have done what it was asked. */
export async function askRelevo<Document>(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Document> {
  const { status, signal, stdout, stderr } = await runRelevo([...args, '--json'], environment);
  if (status !== 0)
    throw new Error(`relevo ${args[0]} ${args[1] ?? ''} ended with ${status ?? signal}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Document;
}
