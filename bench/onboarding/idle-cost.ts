import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { ProcessTree, hasProc, privateBytes, pssBytes } from '../meter/processes.ts';
import type { Workspace } from '../lab/workspace.ts';

/** What is there at one moment, while nobody works. */
export interface Standing {
  /** Of all databases of the server. */
  readonly databaseBytes: number;
  /** Key files and tenant files. */
  readonly fileBytes: number;
  readonly files: number;
  /** Connections to databases of cells, whoever has them. */
  readonly cellConnections: number;
  readonly serverProcesses: number | null;
  /** Of all server processes, what they share counted once: mostly its cache, which is bounded and gets filled. */
  readonly serverPssBytes: number | null;
  /** What they have for themselves: this is what a cell would cost whose data nobody has looked at for long. */
  readonly serverPrivateBytes: number | null;
  /** Processes of ours that have to do with the home, besides this one. */
  readonly cellProcesses: number | null;
}

const SETTLE_MS = 1_500;

export async function standing(workspace: Workspace): Promise<Standing> {
  await workspace.probe.settle();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const client = new pg.Client({
    connectionString: workspace.server.adminUrl,
    application_name: 'relevo bench',
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ bytes: string; connections: string }>(
      `select (select sum(pg_database_size(oid)) from pg_database) as bytes,
              (select count(*) from pg_stat_activity
                where backend_type = 'client backend' and starts_with(datname, 'relevo_')) as connections`,
    );
    const { postmaster } = workspace.probe;
    const members = hasProc && postmaster ? new ProcessTree(postmaster).members() : null;
    const sum = (of: (pid: number) => number | null) =>
      members?.reduce((total, { pid }) => total + (of(pid) ?? 0), 0) ?? null;
    const files = await filesBelow(join(workspace.home, 'cells'));
    return {
      databaseBytes: Number(rows[0].bytes),
      fileBytes: files.reduce((total, bytes) => total + bytes, 0),
      files: files.length,
      cellConnections: Number(rows[0].connections),
      serverProcesses: members?.length ?? null,
      serverPssBytes: sum(pssBytes),
      serverPrivateBytes: sum(privateBytes),
      cellProcesses: hasProc ? new ProcessTree(process.pid).members().length - 1 : null,
    };
  } finally {
    await client.end();
  }
}

async function filesBelow(folder: string): Promise<number[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
}
