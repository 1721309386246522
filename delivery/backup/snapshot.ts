import pg from 'pg';
import { Refusal } from '#runtime/refusal.ts';
import { services } from '#services/all.ts';
import type { BackupTable, Manifest } from './manifest.ts';

/** A table as it was found: what it takes on the disk tells how far a backup is. */
export interface FoundTable extends BackupTable {
  readonly diskBytes: number;
}

/** A cell's whole database at one moment, to be read. */
export interface Snapshot {
  readonly client: pg.Client;
  readonly tables: readonly FoundTable[];
  readonly changes: readonly { readonly schema: string; readonly change: string }[];
  /** `1204:9f8c…` */
  readonly trailHead: string | null;
}

/** A process that was stopped in the middle must not keep the database from clearing up behind it for ever. */
const SESSION = '-c statement_timeout=0 -c idle_in_transaction_session_timeout=300000';

/** Connects as the owner of the cell's tables, for as long as `work` lasts. */
export async function withOwner<T>(
  databaseUrl: string,
  applicationName: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: applicationName,
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
    options: SESSION,
  });
  client.on('error', () => {}); // told by the pending call as well
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Reads in one transaction that writes nothing: all tables speak of one moment, whatever is committed meanwhile. A
 * schema change waits until it ends, for a table that changes its form is of two moments at once.
 */
export const withSnapshot = <T>(databaseUrl: string, work: (snapshot: Snapshot) => Promise<T>): Promise<T> =>
  withOwner(databaseUrl, 'relevo backup', async (client) => {
    await client.query(`select pg_advisory_lock_shared(hashtext('relevo schema'))`);
    await client.query('begin isolation level repeatable read, read only');
    const tables = await findTables(client);
    refuseForeignTables(tables);
    const result = await work({
      client,
      tables,
      changes: await madeChanges(client),
      trailHead: await trailHeadOf(client),
    });
    await client.query('commit');
    return result;
  });

export const quoted = (name: string): string => name.split('.').map(pg.escapeIdentifier).join('.');
export const quotedAll = (names: readonly string[]): string[] => names.map(pg.escapeIdentifier);

/** Every table with its columns, in the order of their names. What PostgreSQL computes by itself is left out. */
export async function findTables(client: pg.Client): Promise<FoundTable[]> {
  const { rows } = await client.query<FoundTable>(`
    select nspname || '.' || relname as table, pg_table_size(pg_class.oid)::float8 as "diskBytes",
           array(select attname::text from pg_attribute
                  where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
                  order by attnum) as columns
      from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where relkind = 'r' and nspname <> 'information_schema' and nspname !~ '^pg_'
     order by 1`);
  return rows;
}

const OWN_SCHEMAS = new Set([...services.map(({ name }) => name), 'cell']);

/** A backup that leaves something out in silence is worse than none. */
function refuseForeignTables(tables: readonly BackupTable[]): void {
  const foreign = tables.filter(({ table }) => !OWN_SCHEMAS.has(table.split('.')[0]));
  if (foreign.length > 0)
    throw new Refusal(
      'tables_of_no_service',
      `The cell's database holds tables of no service: ${foreign.map(({ table }) => table).join(', ')}.`,
      { advice: 'A restore could not make them. Move them to a database of their own, then back up again.' },
    );
}

async function madeChanges(client: pg.Client): Promise<Snapshot['changes']> {
  const { rows } = await client.query<{ schema: string; change: string }>(
    'select schema, change from cell.schema_changes order by applied_at, schema, change',
  );
  return rows;
}

/** Where the audit trail of a database ends; null where there is none. */
export async function trailHeadOf(client: pg.Client): Promise<string | null> {
  const { rows: here } = await client.query<{ there: boolean }>(
    `select to_regclass('audit.entries') is not null as there`,
  );
  if (!here[0].there) return null;
  const { rows } = await client.query<{ head: string }>(
    `select seq || ':' || encode(hash, 'hex') as head from audit.entries order by seq desc limit 1`,
  );
  return rows[0]?.head ?? null;
}

/** Sequences are of no moment: read last, they stand at or behind every number in the rows. */
export async function readSequences(client: pg.Client): Promise<Manifest['sequences']> {
  const { rows } = await client.query<{ sequence: string }>(
    `select schemaname || '.' || sequencename as sequence from pg_sequences order by 1`,
  );
  const read: Manifest['sequences'] = [];
  for (const { sequence } of rows) {
    const { rows: at } = await client.query<{ value: string; isCalled: boolean }>(
      `select last_value::text as value, is_called as "isCalled" from ${quoted(sequence)}`,
    );
    read.push({ sequence, ...at[0] });
  }
  return read;
}
