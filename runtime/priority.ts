import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/**
 * Work in the background has the lowest priority: it takes the processor that nobody else wants, and all of it when
 * nobody does. Where the system does not allow or know it, nothing happens. There is no way back: only root may raise
 * a priority again.
 */

/** Sends this process to the background, the threads that it has and those that it starts. */
export function goToBackground(): void {
  lower(0);
  // Linux has a priority for each thread.
  attempt(() => {
    for (const thread of readdirSync('/proc/self/task')) lower(Number(thread));
  });
  // Desktop kernels share processors out between sessions first, and within them by priority. Whoever leads a session
  // speaks for all that is in it.
  attempt(() => {
    if (sessionOf(process.pid) === process.pid) writeFileSync('/proc/self/autogroup', String(LOWEST));
  });
}

/** Sends another process on this machine to the background. */
export const sendToBackground = (pid: number): void => lower(pid);

const LOWEST = constants.priority.PRIORITY_LOW;

const lower = (pid: number): void => attempt(() => setPriority(pid, LOWEST));

function attempt(change: () => void): void {
  try {
    change();
  } catch {
    // not allowed, or unknown here
  }
}

/** The sixth field of /proc/PID/stat (proc(5)); the second is in parentheses and may hold anything. */
function sessionOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}
