import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** A worker that dies is replaced, but not without end: then something is wrong that restarting does not mend. */
const RESTARTS_MAX = 20;
/** A longer log is set aside, in place of the one before. */
const LOG_BYTES_MAX = 4 * 1024 * 1024;

export interface Workers {
  /** Tells them to stop at the edge of the chunks in hand, and waits. */
  stop(): Promise<void>;
}

/** Where processes that were started write what goes wrong. */
export const openLog = (home: string, name: string): number => {
  const folder = join(home, 'logs');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  if (existsSync(path) && statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
};

const command = (cell: string, ...more: string[]) => [
  ...process.execArgv,
  MAIN,
  'worker',
  '--cell',
  cell,
  ...more,
];

/**
 * Starts worker processes that live as long as this one: they read their end from a pipe that closes with it,
 * however it ends.
 */
export function startWorkers(cell: string, processes: number, home: string, signal: AbortSignal): Workers {
  const log = openLog(home, 'workers.log');
  let stopping = false;
  let restarts = 0;
  const ends: Promise<void>[] = [];
  const children = new Set<ChildProcess>();
  const start = (): void => {
    const child = spawn(process.execPath, command(cell, '--attached'), {
      stdio: ['pipe', log, log],
      env: { ...process.env, RELEVO_HOME: home },
      // A session of its own can give way to all others (`goToBackground`), and Ctrl-C comes through the pipe.
      detached: true,
    });
    children.add(child);
    ends.push(
      new Promise((resolve) => {
        child.on('exit', () => {
          children.delete(child);
          if (!stopping && !signal.aborted && restarts++ < RESTARTS_MAX) start();
          resolve();
        });
      }),
    );
  };
  for (let i = 0; i < processes; i++) start();
  return {
    async stop() {
      stopping = true;
      for (const child of children) child.stdin?.end();
      await Promise.all(ends);
    },
  };
}

/** Starts worker processes that outlive this one and end by themselves when the cell has no work left. */
export function leaveWorkers(cell: string, processes: number, home: string): void {
  const log = openLog(home, 'workers.log');
  for (let i = 0; i < processes; i++)
    spawn(process.execPath, command(cell, '--until-idle'), {
      stdio: ['ignore', log, log],
      env: { ...process.env, RELEVO_HOME: home },
      detached: true,
    }).unref();
}
