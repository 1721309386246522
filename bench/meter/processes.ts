import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second towards programs, whatever its own clock. */
const TICKS_A_SECOND = 100;
const PAGE_BYTES = 4096;

export const hasProc = process.platform === 'linux';

export interface ProcessReading {
  readonly pid: number;
  readonly parent: number;
  readonly program: string;
  /** Its own processor time and that of children that have ended and were waited for. */
  readonly cpuSeconds: number;
}

/** Reads /proc/PID/stat; null when there is no such process. */
export function readProcess(pid: number): ProcessReading | null {
  const line = readText(`/proc/${pid}/stat`);
  if (line === null) return null;
  // The program stands in parentheses and may itself contain some.
  const open = line.indexOf('(');
  const close = line.lastIndexOf(')');
  const rest = line.slice(close + 2).split(' '); // from field 3, the state, on
  const ticks = [14, 15, 16, 17].reduce((sum, field) => sum + Number(rest[field - 3]), 0);
  return {
    pid,
    parent: Number(rest[1]),
    program: line.slice(open + 1, close),
    cpuSeconds: ticks / TICKS_A_SECOND,
  };
}

/** Memory that a process has in hand, counting what it shares with others in full. */
export function rssBytes(pid: number): number {
  const text = readText(`/proc/${pid}/statm`);
  return text === null ? 0 : Number(text.split(' ')[1]) * PAGE_BYTES;
}

/** Memory of a process with what it shares divided among those who share it; null where it may not be read. */
export function pssBytes(pid: number): number | null {
  const match = /^Pss:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/smaps_rollup`) ?? '');
  return match ? Number(match[1]) * 1024 : null;
}

/** Memory that a process has for itself: without files, and without what server processes share. */
export function privateBytes(pid: number): number {
  const match = /^RssAnon:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`) ?? '');
  return match ? Number(match[1]) * 1024 : 0;
}

/** A process with all its descendants, as they come and go. */
export class ProcessTree {
  readonly #root: number;
  /** Kept from sample to sample, so that only processes that are new have to be asked for their parent. */
  readonly #parents = new Map<number, number>();

  constructor(root: number) {
    this.#root = root;
  }

  members(): ProcessReading[] {
    const here = new Set(
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number),
    );
    for (const pid of this.#parents.keys()) if (!here.has(pid)) this.#parents.delete(pid);
    for (const pid of here)
      if (!this.#parents.has(pid)) this.#parents.set(pid, readProcess(pid)?.parent ?? 0);
    return [...here].filter((pid) => this.#isMember(pid)).flatMap((pid) => readProcess(pid) ?? []);
  }

  #isMember(pid: number): boolean {
    for (let at: number | undefined = pid; at; at = this.#parents.get(at)) if (at === this.#root) return true;
    return false;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null; // it has ended, or is not ours to read
  }
}
