import { createHash } from 'node:crypto';
import pg from 'pg';
import { type Fragment, type Parameter, sql } from './sql.ts';

/** Amounts are int8 and must stay exact; dates are plain days and must not drift with a time zone. */
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, (value) => BigInt(value));
types.setTypeParser(pg.types.builtins.DATE, (value) => value);

type Row = Record<string, unknown>;

/** What a statement runs on: a pool, or the transaction that `transaction` hands out. */
export interface Tx {
  /** The rows that a statement answers. */
  rows<R = Row>(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): Promise<R[]>;
  /** Runs a statement and answers how many rows it touched. */
  run(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): Promise<number>;
}

/** One role's way into one database. */
export interface Database extends Tx {
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

interface Queryable {
  query(config: pg.QueryConfig): Promise<pg.QueryResult>;
}

const statementNames = new Map<string, string>();

/** Every statement is prepared under a name drawn from its text, so that a bulk statement is planned once. */
function nameOf(text: string): string {
  let name = statementNames.get(text);
  if (!name) {
    name = createHash('sha256').update(text).digest('base64url').slice(0, 24);
    statementNames.set(text, name);
  }
  return name;
}

async function query(on: Queryable, fragment: Fragment): Promise<pg.QueryResult> {
  const { text, values } = fragment.statement();
  return on.query({ name: nameOf(text), text, values, types });
}

const txOn = (on: Queryable): Tx => ({
  rows: async <R>(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]) =>
    (await query(on, sql(strings, ...parameters))).rows as R[],
  run: async (strings, ...parameters) => (await query(on, sql(strings, ...parameters))).rowCount ?? 0,
});

export interface PoolLimits {
  readonly connections: number;
  readonly applicationName: string;
}

/** How long a statement, a lock or a forgotten transaction may hold others up. */
const SESSION_LIMITS =
  '-c statement_timeout=120000 -c lock_timeout=30000 -c idle_in_transaction_session_timeout=15000';

/**
 * A bulk statement meets its table a few thousand rows at a time, by primary key. It is planned while the table
 * is still empty, when reading it whole looks cheapest; that plan would then read a million rows for each chunk.
 */
const PLAN_BY_INDEX = '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off';

export function openDatabase(url: string, limits: PoolLimits): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: limits.connections,
    application_name: limits.applicationName,
    connectionTimeoutMillis: 15_000,
    idleTimeoutMillis: 30_000,
    options: `${SESSION_LIMITS} ${PLAN_BY_INDEX}`,
  });
  // A connection that the server closes, idle or in the middle of a transaction, fails its next use and is replaced;
  // the event must not end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    ...txOn(pool),
    async transaction(work) {
      const client = await pool.connect();
      let failure: Error | undefined;
      try {
        await client.query('begin');
        const result = await work(txOn(client));
        await client.query('commit');
        return result;
      } catch (error) {
        failure = error as Error;
        // A connection that cannot roll back is broken: it is thrown away, and PostgreSQL rolls back for us.
        await client.query('rollback').then(
          () => (failure = undefined),
          () => {},
        );
        throw error;
      } finally {
        client.release(failure);
      }
    },
    close: () => pool.end(),
  };
}

/**
 * A database on which everything happens and nothing stays: one transaction that is rolled back by `close`
 * (and by PostgreSQL itself if the process dies). Transactions inside it are savepoints. Other sessions never
 * see what happens here; rows that exist already and are changed stay locked until the end.
 */
export async function openTrial(url: string, applicationName: string): Promise<Database> {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    options: PLAN_BY_INDEX,
  });
  client.on('error', () => {});
  await client.connect();
  await client.query('begin');
  const tx = txOn(client);
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...tx,
    // One connection serves one caller at a time.
    transaction(work) {
      const turn = last.then(async () => {
        await client.query('savepoint step');
        try {
          const result = await work(tx);
          await client.query('release savepoint step');
          return result;
        } catch (error) {
          await client.query('rollback to savepoint step');
          throw error;
        }
      });
      last = turn.catch(() => {});
      return turn;
    },
    async close() {
      await client.query('rollback').catch(() => {});
      await client.end();
    },
  };
}
