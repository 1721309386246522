import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isRunning, markOf } from '#runtime/postgres/processes.ts';

/**
 * Processes of Relevo that work in a home, found by what they were told: leftovers, workers of a command. Proofs ask for
 * them again and again, and a machine has hundreds: what the kernel has in memory is read without waiting for it.
 */
export function processesOf(home: string): number[] {
  const told = Buffer.from(`RELEVO_HOME=${home}\0`);
  return processes().filter((pid) => {
    if (pid === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`).includes(told);
    } catch {
      return false; // it has ended, or is not ours to read
    }
  });
}

function processes(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Boolean);
  } catch {
    return []; // a system without /proc
  }
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
