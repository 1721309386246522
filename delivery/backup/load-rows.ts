import type pg from 'pg';
import { crashPoint } from '#runtime/crash-point.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { CellName } from '../cells/cell-name.ts';
import type { NamedKek } from './backup-keys.ts';
import { copyIn } from './copy-in.ts';
import { type Manifest, parseTable } from './manifest.ts';
import type { StepProgress } from './progress.ts';
import { type Backup, recordsOf } from './read-backup.ts';
import { RECORD } from './records.ts';
import { altered } from './refusals.ts';
import { findTables, quoted, quotedAll } from './snapshot.ts';

interface Loading {
  readonly manifest: Manifest;
  readonly keks: readonly NamedKek[];
  readonly name: CellName;
  readonly progress: StepProgress;
}

/** Writes the rows and sequences of a backup into a database that has its tables and nothing in them yet. */
export async function loadRows(
  client: pg.Client,
  backup: Backup,
  { manifest, keks, name, progress }: Loading,
): Promise<void> {
  await refuseMissing(client, manifest);
  // The database is of no worth until the whole of it is on the disk, which the swap of names waits for.
  await client.query('set synchronous_commit = off');
  progress.begin('restore', backup.bytes);
  let done = 0;
  const records = recordsOf(backup, { keks, name, onBytes: (count) => (done += count) });
  let next = await records.next();
  try {
    while (!next.done && next.value.kind === RECORD.table) {
      const table = parseTable(next.value.bytes);
      if (!table) throw altered(backup.path);
      await empty(client, table.table);
      const rows = async function* () {
        for (;;) {
          next = await records.next();
          if (next.done || next.value.kind !== RECORD.rows) return;
          progress.update(done, table.table);
          yield next.value.bytes;
        }
      };
      await copyIn(client, quoted(table.table), quotedAll(table.columns), rows());
      crashPoint('restore:table-loaded');
    }
    while (!next.done) next = await records.next(); // to the last frame, which says that nothing was cut off
  } finally {
    await records.return(undefined);
  }
  for (const { sequence, value, isCalled } of manifest.sequences)
    await client.query('select setval($1::regclass, $2, $3)', [quoted(sequence), value, isCalled]);
  await client.query('analyze');
  progress.end();
}

/** Rows that a schema change has brought along are in the backup, too. A table without any is not touched. */
async function empty(client: pg.Client, table: string): Promise<void> {
  const { rowCount } = await client.query(`select from ${quoted(table)} limit 1`);
  if (rowCount) await client.query(`truncate ${quoted(table)}`);
}

async function refuseMissing(client: pg.Client, { tables, sequences }: Manifest): Promise<void> {
  const here = new Map((await findTables(client)).map(({ table, columns }) => [table, new Set(columns)]));
  const missing = tables.flatMap(({ table, columns }) => {
    const known = here.get(table);
    if (!known) return [table];
    return columns.filter((column) => !known.has(column)).map((column) => `${table}.${column}`);
  });
  const { rows } = await client.query<{ sequence: string }>(
    `select schemaname || '.' || sequencename as sequence from pg_sequences`,
  );
  const counted = new Set(rows.map(({ sequence }) => sequence));
  missing.push(...sequences.map(({ sequence }) => sequence).filter((sequence) => !counted.has(sequence)));
  if (missing.length > 0)
    throw new Refusal(
      'schema_mismatch',
      `The backup holds what the schemas of its release do not: ${missing.slice(0, 10).join(', ')}.`,
      {
        advice:
          'Somebody has changed tables by hand, or this release has lost a schema change. Restore with the release that made it.',
      },
    );
}
