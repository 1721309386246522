import { existsSync, readFileSync } from 'node:fs';
import { codeOf } from './errors.ts';

/**
 * One process, told apart from a later process with the same number. `started` is the boot and the clock
 * tick at which it started; it is `null` where there is no /proc (macOS), and then the number alone counts.
 */
export interface ProcessMark {
  readonly pid: number;
  readonly started: string | null;
}

const hasProc = existsSync('/proc/self/stat');
const bootFile = '/proc/sys/kernel/random/boot_id'; // some sandboxes have none
const boot = existsSync(bootFile) ? readFileSync(bootFile, 'latin1').trim() : '';

/** The mark of a running process; undefined when there is none, or only a zombie nobody has buried yet. */
export function markOf(pid: number): ProcessMark | undefined {
  if (!hasProc) return answersSignals(pid) ? { pid, started: null } : undefined;
  const stat = statOf(pid);
  return stat === undefined || 'ZX'.includes(stat.state)
    ? undefined
    : { pid, started: `${boot}/${stat.startTick}` };
}

export function isRunning(mark: ProcessMark): boolean {
  const now = markOf(mark.pid);
  return now !== undefined && (mark.started === null || mark.started === now.started);
}

/** The name of the program a process runs, undefined where that cannot be told. */
export function programOf(pid: number): string | undefined {
  return hasProc ? statOf(pid)?.program : undefined;
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Reads /proc/PID/stat (proc(5)): the program stands in parentheses and may itself contain some. */
function statOf(pid: number): { program: string; state: string; startTick: string } | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  const open = line.indexOf('(');
  const close = line.lastIndexOf(')');
  const rest = line.slice(close + 2).split(' '); // from field 3, the state, on
  return { program: line.slice(open + 1, close), state: rest[0], startTick: rest[22 - 3] };
}
