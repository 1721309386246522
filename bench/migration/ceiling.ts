import pg from 'pg';
import { databaseName, parseCellName } from '#delivery/cells/cell-name.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { withServer } from '#runtime/postgres/server.ts';
import { runAsContender, type Measure } from '../lab/contender.ts';
import { databaseUrl } from '../lab/database-url.ts';
import {
  describeTables,
  insertSlice,
  readSlice,
  type Slice,
  type SlicePlace,
  slicesOf,
  type Table,
} from './table-slices.ts';

/**
 * The ceiling: the rows of a migrated cell go into the same tables of an empty one by raw UNNEST, with no file,
 * no checks, no queue, no sealing, no parsing. Reading them is not counted; each slice of a table is one
 * transaction, and two connections insert at once.
 */
export interface CeilingOptions {
  /** Cells as TENANT/ENVIRONMENT: one that was migrated, one that is empty. */
  readonly from: string;
  readonly into: string;
}

export interface CeilingResult {
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
}

const TABLES = [
  'cards.cards',
  'cardholders.cardholders',
  'ledger.accounts',
  'ledger.transfers',
  'ledger.holds',
  'cards.tokens',
];
const SLICE_ROWS = 4096;
const CONNECTIONS = 2;
/** Slices in memory at once; about half a kilobyte a row. */
const WAVE_SLICES = 32;

async function ceiling({ from, into }: CeilingOptions, measure: Measure): Promise<CeilingResult> {
  const { RELEVO_HOME, RELEVO_DATABASE_URL } = readAllSettings(process.env);
  return withServer({ home: RELEVO_HOME, databaseUrl: RELEVO_DATABASE_URL ?? undefined }, async (server) => {
    const clients = [from, into, into].map(
      (cell) =>
        new pg.Client({
          connectionString: databaseUrl(server.adminUrl, databaseName(parseCellName(cell))),
          application_name: 'relevo bench ceiling',
        }),
    );
    const [reader, ...writers] = clients;
    await Promise.all(clients.map((client) => client.connect()));
    try {
      const tables = await describeTables(reader, TABLES);
      await leaveAlone(reader, tables);
      const lists: SlicePlace[][] = [];
      for (const table of tables) lists.push(await slicesOf(reader, table, SLICE_ROWS));
      const places = interleave(lists);
      const rows: Record<string, number> = {};
      for (let at = 0; at < places.length; at += WAVE_SLICES) {
        const wave: Slice[] = [];
        for (const place of places.slice(at, at + WAVE_SLICES)) {
          const slice = await readSlice(reader, place);
          if (slice.rows > 0) wave.push(slice);
          rows[place.table.name] = (rows[place.table.name] ?? 0) + slice.rows;
        }
        await measure('insert', async () => {
          const left = wave.values();
          await Promise.all(writers.slice(0, CONNECTIONS).map((writer) => insertAll(writer, left)));
        });
      }
      await compareCounts(reader, writers[0], tables);
      return { rows };
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  });
}

/** What PostgreSQL would tidy up in the migrated cell by now is no part of the ceiling. */
async function leaveAlone(reader: pg.Client, tables: readonly Table[]): Promise<void> {
  for (const { name } of tables) await reader.query(`alter table ${name} set (autovacuum_enabled = false)`);
}

/** Both connections draw from the same slices. */
async function insertAll(writer: pg.Client, left: Iterable<Slice>): Promise<void> {
  for (const slice of left) await insertSlice(writer, slice);
}

/** The tables fill side by side, as they do in a migration. */
function interleave<T>(lists: readonly (readonly T[])[]): T[] {
  return lists
    .flatMap((list) => list.map((item, i) => ({ item, at: i / list.length })))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

async function compareCounts(from: pg.Client, into: pg.Client, tables: readonly Table[]): Promise<void> {
  for (const { name } of tables) {
    const [a, b] = await Promise.all(
      [from, into].map(async (client) => {
        const { rows } = await client.query<{ count: string }>(`select count(*) from ${name}`);
        return rows[0].count;
      }),
    );
    if (a !== b) throw new Error(`${name} has ${b} rows instead of ${a}`);
  }
}

if (import.meta.main) await runAsContender(ceiling);
