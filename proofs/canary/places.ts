import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { childrenOf, processesOf } from '../lab/processes.ts';
import type { Search } from './search.ts';

/**
 * Looks, while commands run, at what anybody on the machine or in the database can see of them: arguments and
 * environment of every process of the home and of the server, and the statements that sessions show.
 */
export async function watchProcesses(
  lab: Lab,
  search: Search,
  database: string,
  signal: AbortSignal,
): Promise<{ looks: number; processes: number }> {
  const seen = new Set<number>();
  let looks = 0;
  while (!signal.aborted) {
    const server = await lab.postmaster().catch(() => undefined);
    const pids = [...(await processesOf(lab.home)), ...(server ? [server, ...(await childrenOf(server))] : [])];
    for (const pid of pids) {
      seen.add(pid);
      for (const what of ['cmdline', 'environ'])
        search.buffer('processes', `${what} of a process`, await readFile(`/proc/${pid}/${what}`).catch(() => Buffer.alloc(0)));
    }
    const sessions = await lab
      .ask<{ all: string }>(database, `select coalesce(string_agg(a::text, ' '), '') as all from pg_stat_activity a`)
      .catch(() => []);
    for (const { all } of sessions) search.text('processes', 'pg_stat_activity', all);
    looks++;
    await sleep(150, undefined, { signal }).catch(() => {});
  }
  return { looks, processes: seen.size };
}

/** Files without a name that a stopped process holds open: what it has spilled to disk. */
export async function searchOpenFiles(pid: number, search: Search): Promise<number> {
  let files = 0;
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (!target.startsWith('/') || !target.endsWith(' (deleted)')) continue;
    files++;
    await search.file('files', `/proc/${pid}/fd/${fd}`, `temporary file without a name`);
  }
  return files;
}
