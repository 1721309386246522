import pg from 'pg';
import { onDatabase } from '#delivery/cells/on-database.ts';
import { makeSchemas } from '#delivery/cells/schema-changes.ts';
import { templateDatabase } from '#delivery/cells/template-database.ts';
import { summarise, type Summary } from '../statistics.ts';
import type { Workspace } from '../lab/workspace.ts';

export interface WayToCopy {
  readonly name: string;
  readonly ms: Summary;
  readonly walBytes: Summary;
}

/** One database with the schemas of this release, by each way in turn, round after round. */
export async function waysToCopy(workspace: Workspace, rounds: number): Promise<WayToCopy[]> {
  const { server, probe } = workspace;
  const client = new pg.Client({ connectionString: server.adminUrl, application_name: 'relevo bench' });
  await client.connect();
  try {
    const template = await templateDatabase(client, server.adminUrl);
    const ways: Record<string, (name: string) => Promise<unknown>> = {
      'copy of the template, through the log': (name) =>
        client.query(`create database "${name}" template "${template}" strategy wal_log`),
      'copy of the template, file by file': (name) =>
        client.query(`create database "${name}" template "${template}" strategy file_copy`),
      'empty database, schemas made anew': async (name) => {
        await client.query(
          `create database "${name}" template template0 encoding 'UTF8' locale 'C' strategy wal_log`,
        );
        await onDatabase(server.adminUrl, name, makeSchemas);
      },
    };
    const taken = Object.keys(ways).map((name) => ({ name, ms: [] as number[], wal: [] as number[] }));
    for (let round = 0; round < rounds; round++)
      for (const way of taken) {
        const name = `relevo_bench_${process.pid}_${round}`;
        const before = await probe.walPosition();
        const startedAt = performance.now();
        await ways[way.name](name);
        way.ms.push(performance.now() - startedAt);
        way.wal.push((await probe.walPosition()) - before);
        await client.query(`drop database "${name}" with (force)`);
      }
    return taken.map(({ name, ms, wal }) => ({ name, ms: summarise(ms), walBytes: summarise(wal) }));
  } finally {
    await client.end();
  }
}
