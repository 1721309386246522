import { readFileSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { childrenOf, processesOf } from '../lab/processes.ts';
import type { ProofCell } from '../lab/proof-cell.ts';
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
    const pids = [...processesOf(lab.home), ...(server ? [server, ...(await childrenOf(server))] : [])];
    for (const pid of pids) {
      seen.add(pid);
      for (const what of ['cmdline', 'environ'])
        search.buffer('processes', `${what} of a process`, bytesOf(`/proc/${pid}/${what}`));
    }
    const sessions = await lab
      .ask<{ all: string }>(
        database,
        `select coalesce(string_agg(a::text, ' '), '') as all from pg_stat_activity a`,
      )
      .catch(() => []);
    for (const { all } of sessions) search.text('processes', 'pg_stat_activity', all);
    looks++;
    await sleep(150, undefined, { signal }).catch(() => {});
  }
  return { looks, processes: seen.size };
}

/** Nothing of a process that has ended meanwhile. */
function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Files without a name that a stopped process holds open: what it has spilled to disk. */
export async function searchOpenFiles(pid: number, search: Search): Promise<number> {
  let files = 0;
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (!target.startsWith('/') || !target.endsWith(' (deleted)')) continue;
    if (search.file('files', `/proc/${pid}/fd/${fd}`, `temporary file without a name`)) files++;
  }
  return files;
}

/** Result files, opened with the tenant's key, and the reports of validations. */
export async function searchResults(cell: ProofCell, search: Search): Promise<number> {
  const folder = join(cell.lab.home, 'results');
  const names = await readdir(folder);
  for (const name of names) {
    const path = join(folder, name);
    if (!name.endsWith('.gpg')) {
      search.file('results', path, name);
      continue;
    }
    search.buffer('results', name, await cell.openSealed(path));
  }
  return names.length;
}

/** Every database of the embedded server; of a server that is not ours, those of this proof. */
export async function searchDatabases(lab: Lab, cell: ProofCell, search: Search): Promise<number> {
  const names = await lab.ask<{ datname: string }>(
    'postgres',
    'select datname from pg_database where datallowconn and ($1 or starts_with(datname, $2)) order by 1',
    [lab.isEmbedded, `relevo_${cell.name.tenant}_`],
  );
  let rows = 0;
  for (const { datname } of names) rows += await search.database(lab, datname);
  return rows;
}

/** All of the home, and of the embedded server's data; only what was sent to Relevo is left out. */
export async function searchDisk(lab: Lab, search: Search, sent: string): Promise<number> {
  if (!lab.isEmbedded) return search.folder('files', lab.folder, { except: [sent] });
  await lab.ask('postgres', 'checkpoint');
  const data = await lab.dataFolder();
  const files = await search.folder('files', lab.folder, { except: [sent, data] });
  return files + (await search.folder('disk', data));
}
