import { readdir, readFile } from 'node:fs/promises';
import { isRunning, markOf } from '#runtime/postgres/processes.ts';

/** Processes of Relevo that work in a home, found by what they were told: leftovers, workers of a command. */
export async function processesOf(home: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (environment.split('\0').includes(`RELEVO_HOME=${home}`)) found.push(pid);
  }
  return found;
}

/** The children of a process: the workers of a command. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

export function isAlive(pid: number): boolean {
  const mark = markOf(pid);
  return mark !== undefined && isRunning(mark);
}

/** Sends a signal; false when there is no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

export const endProcess = (pid: number): boolean => signal(pid, 'SIGKILL');
