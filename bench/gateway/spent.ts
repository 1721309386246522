import { readProcess, rssBytes } from '../meter/processes.ts';

/** What a stretch took of one process; null where there is no /proc. */
export interface Spent {
  readonly cpuSeconds: number | null;
  /** At the end of the stretch. */
  readonly rssBytes: number | null;
}

const cpuOf = (pid: number): number | null => readProcess(pid)?.cpuSeconds ?? null;

/** Watches a process during a piece of work. */
export async function spentBy<T>(
  pid: number | null,
  work: () => Promise<T>,
): Promise<{ result: T; spent: Spent }> {
  const before = pid === null ? null : cpuOf(pid);
  const result = await work();
  const after = pid === null ? null : cpuOf(pid);
  return {
    result,
    spent: {
      cpuSeconds: before === null || after === null ? null : after - before,
      rssBytes: after === null ? null : rssBytes(pid!),
    },
  };
}

/** Of this process, which stands in for the supervisor: it writes the access log. */
export async function spentHere<T>(work: () => Promise<T>): Promise<{ result: T; cpuSeconds: number }> {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, cpuSeconds: (user + system) / 1e6 };
}
