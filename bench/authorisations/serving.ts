import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RELEVO } from '../lab/run-relevo.ts';
import type { Workspace } from '../lab/workspace.ts';

/** A process that answers the network at a port. */
export interface Serving {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const ONE_BY_ONE = fileURLToPath(new URL('one-by-one/server.ts', import.meta.url));
const START_MS_MAX = 30_000;

/** Relevo itself, by the command that an operator would type. */
export const serveRelevo = (workspace: Workspace, cell: string): Promise<Serving> =>
  serve(workspace, RELEVO, ['serve', '--cell', cell, '--port', '0', '--http-port', '0', '--json']);

/** The other side: one transaction for each request. */
export const serveOneByOne = (
  workspace: Workspace,
  cell: string,
  setting: OneByOneSetting,
): Promise<Serving> =>
  serve(workspace, process.execPath, [ONE_BY_ONE, cell, setting.how, String(setting.connections)]);

export interface OneByOneSetting {
  /** The steps of a request as statements of one transaction, or all of them as one statement. */
  readonly how: 'transaction' | 'statement';
  readonly connections: number;
}

async function serve(workspace: Workspace, program: string, args: readonly string[]): Promise<Serving> {
  const child = spawn(program, args, { env: workspace.environment, stdio: ['ignore', 'pipe', 'inherit'] });
  workspace.children.add(child);
  const { port } = await firstLine(child);
  return {
    port,
    pid: child.pid!,
    async stop() {
      workspace.children.delete(child);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** What a serving process says of itself: `{"state":"serving","port":…}`, in one line. */
async function firstLine(child: ChildProcess): Promise<{ port: number }> {
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await Promise.race([
    once(lines, 'line', { signal: AbortSignal.timeout(START_MS_MAX) }),
    once(child, 'exit').then(([status]) => {
      throw new Error(`a serving process ended with status ${status} before it served`);
    }),
  ])) as [string];
  return JSON.parse(line) as { port: number };
}
