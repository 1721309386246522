import pg from 'pg';
import type { TupleColumn } from '#runtime/batch/tuples.ts';
import type { Backends } from './backends.ts';
import { copyRows } from './copy-rows.ts';
import { type Fragment, type Parameter, sql, together } from './sql.ts';
import { type Ask, ask, type Outcome, type Row, type Statement, Turn } from './turn.ts';
import { wireValue } from './wire-messages.ts';

/** What a statement runs on: a pool, or the transaction that `transaction` hands out. */
export interface Tx {
  /** The rows that a statement answers. */
  rows<R = Row>(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): Promise<R[]>;
  /** Runs a statement and answers how many rows it touched. */
  run(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): Promise<number>;
}

/** A transaction. */
export interface Transaction extends Tx {
  /**
   * Writes new rows, given by column, into a table by COPY and answers how many: cheaper than any `insert`, but if one is
   * there already all fail with a unique violation. Names of columns are given in camel case.
   */
  copy(table: string, columns: Readonly<Record<string, TupleColumn>>): Promise<number>;
}

/** A transaction whose statements leave without waiting for one another; PostgreSQL runs them in that order. */
export interface Pipeline extends Tx {
  /** Sends a statement whose answer nobody waits for. If it fails, the transaction does. */
  send(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]): void;
  /** As `copy` of a transaction, and nobody waits for its answer either; the columns may be used again at once. */
  copy(table: string, columns: Readonly<Record<string, TupleColumn>>): void;
  /** Sends statements that touch different rows as one; of none, nothing. */
  sendTogether(parts: readonly Fragment[]): void;
}

/** One role's way into one database. */
export interface Database extends Tx {
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * A transaction of as many round trips as `work` has waits: `begin` travels with its first statements, `commit`
   * with its last. A statement that fails undoes everything, also when `work` looks past it.
   */
  pipeline<T>(work: (tx: Pipeline) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

function statementOf(fragment: Fragment): Statement {
  const { text, values } = fragment.statement();
  return { text, values: values.map(wireValue) };
}

/** A failure is told where the statement was asked, and not where its answer came in. */
async function run(ask: Ask, fragment: Fragment): Promise<Outcome> {
  try {
    return await ask(statementOf(fragment));
  } catch (error) {
    Error.captureStackTrace(error as Error, run);
    throw error;
  }
}

const txOn = (ask: Ask): Tx => ({
  rows: async <R>(strings: TemplateStringsArray, ...parameters: (Parameter | Fragment)[]) =>
    (await run(ask, sql(strings, ...parameters))).rows as R[],
  run: async (strings, ...parameters) => (await run(ask, sql(strings, ...parameters))).rowCount,
});

const transactionOn = (client: pg.ClientBase): Transaction => {
  const here: Ask = (statement) => ask(client, statement);
  return { ...txOn(here), copy: (table, columns) => copyRows(here, table, columns) };
};

const BEGIN: Statement = { text: 'begin', values: [] };
const COMMIT: Statement = { text: 'commit', values: [] };

/** The statements of one pipeline, in the order in which they were sent. */
class Sent {
  readonly #on: pg.ClientBase;
  readonly #answers: Promise<unknown>[] = [];
  #turn: Turn | null = null;

  constructor(on: pg.ClientBase) {
    this.#on = on;
  }

  /** Statements that are asked one right after the other leave together. `settled` throws what one fails with. */
  ask(statement: Statement): Promise<Outcome> {
    this.#turn ??= this.#begin();
    const answer = this.#turn.add(statement);
    answer.catch(() => {});
    this.#answers.push(answer);
    return answer;
  }

  #begin(): Turn {
    const turn = new Turn(this.#on);
    process.nextTick(() => {
      this.#turn = null;
      turn.leave();
    });
    return turn;
  }

  get pipeline(): Pipeline {
    const here: Ask = (statement) => this.ask(statement);
    return {
      ...txOn(here),
      send: (strings, ...parameters) => void here(statementOf(sql(strings, ...parameters))),
      copy: (table, columns) => void copyRows(here, table, columns).catch(() => {}),
      sendTogether: (parts) => {
        if (parts.length > 0) void here(statementOf(parts.length === 1 ? parts[0] : together(parts)));
      },
    };
  }

  /** Waits for all of them and throws what the first one that failed failed with; the others fail because of it. */
  async settled(): Promise<void> {
    for (const answer of this.#answers) await answer;
  }
}

/** PostgreSQL answers the `commit` of a transaction in which a statement has failed with a rollback, and no error. */
function assertCommitted({ command }: Outcome): void {
  if (command !== 'COMMIT')
    throw new Error('the transaction was rolled back: one of its statements had failed');
}

export interface PoolLimits {
  readonly connections: number;
  readonly applicationName: string;
  /** Told of every connection. */
  readonly backends?: Backends;
  /**
   * Commits do not wait for the disk: they are durable with the next commit that does, in whichever database of the
   * server, for all write one log. Only for work that is done again unless such a commit has followed it.
   */
  readonly commitsLater?: boolean;
  /**
   * A statement is planned once for a connection, whatever its parameters are. Left to itself PostgreSQL plans one with
   * arrays anew as long as they are short, which takes longer than to run it.
   */
  readonly plansOnce?: boolean;
}

/** How long a statement, a lock or a forgotten transaction may hold others up. */
const SESSION_LIMITS =
  '-c statement_timeout=120000 -c lock_timeout=30000 -c idle_in_transaction_session_timeout=15000';

/**
 * A bulk statement meets its table a few thousand rows at a time, by primary key. It is planned while the table
 * is still empty, when reading it whole looks cheapest; that plan would then read a million rows for each chunk.
 */
export const PLAN_BY_INDEX = '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off';

const COMMIT_LATER = '-c synchronous_commit=off';
const PLAN_ONCE = '-c plan_cache_mode=force_generic_plan';

/** A connection that cannot roll back is broken: when it is thrown away, PostgreSQL rolls back for us. */
const rollsBack = (client: pg.ClientBase): Promise<boolean> =>
  client.query('rollback').then(
    () => true,
    () => false,
  );

/** PostgreSQL refused a statement and its connection goes on; anything else may have ended it. */
const isRefusal = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && error.severity === 'ERROR';

/** A statement may leave before the one before it was answered. The types of `pg` do not know of it yet. */
const PIPELINED = { pipeline: true } as object;

export function openDatabase(url: string, limits: PoolLimits): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: limits.connections,
    application_name: limits.applicationName,
    connectionTimeoutMillis: 15_000,
    idleTimeoutMillis: 30_000,
    options: [
      SESSION_LIMITS,
      PLAN_BY_INDEX,
      limits.commitsLater ? COMMIT_LATER : '',
      limits.plansOnce ? PLAN_ONCE : '',
    ].join(' '),
    ...PIPELINED,
  });
  // A connection that the server closes, idle or in the middle of a transaction, fails its next use and is replaced;
  // the event must not end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => {
    client.on('error', () => {});
    limits.backends?.add(client);
  });
  pool.on('remove', (client) => limits.backends?.remove(client as pg.PoolClient));
  /** Lends a connection for some work; one that its failure did harm to is thrown away. */
  const lend = async <T>(
    work: (client: pg.PoolClient) => Promise<T>,
    isSound: (client: pg.PoolClient, error: unknown) => boolean | Promise<boolean>,
  ): Promise<T> => {
    const client = await pool.connect();
    let failure: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      if (!(await isSound(client, error))) failure = error as Error;
      throw error;
    } finally {
      client.release(failure);
    }
  };
  const transaction = <T>(work: (client: pg.PoolClient) => Promise<T>) => lend(work, rollsBack);
  return {
    ...txOn((statement) =>
      lend(
        (client) => ask(client, statement),
        (_, error) => isRefusal(error),
      ),
    ),
    transaction: (work) =>
      transaction(async (client) => {
        await ask(client, BEGIN);
        const result = await work(transactionOn(client));
        assertCommitted(await ask(client, COMMIT));
        return result;
      }),
    pipeline: (work) =>
      transaction(async (client) => {
        const sent = new Sent(client);
        void sent.ask(BEGIN);
        const result = await failingFirst(sent, work);
        const committed = sent.ask(COMMIT);
        await sent.settled();
        assertCommitted(await committed);
        return result;
      }),
    close: () => pool.end(),
  };
}

/** Runs `work`; when it fails, and a statement had failed before, that is why. */
async function failingFirst<T>(sent: Sent, work: (tx: Pipeline) => Promise<T>): Promise<T> {
  try {
    return await work(sent.pipeline);
  } catch (error) {
    await sent.settled();
    throw error;
  }
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
    ...PIPELINED,
  });
  client.on('error', () => {});
  await client.connect();
  await client.query('begin');
  const tx = transactionOn(client);
  let last: Promise<unknown> = Promise.resolve();
  // One connection serves one caller at a time.
  const transaction = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(async () => {
      await client.query('savepoint step');
      try {
        const result = await work();
        await client.query('release savepoint step');
        return result;
      } catch (error) {
        await client.query('rollback to savepoint step');
        throw error;
      }
    });
    last = turn.catch(() => {});
    return turn;
  };
  return {
    ...tx,
    transaction: (work) => transaction(() => work(tx)),
    pipeline: (work) =>
      transaction(async () => {
        const sent = new Sent(client);
        const result = await failingFirst(sent, work);
        await sent.settled();
        return result;
      }),
    async close() {
      await client.query('rollback').catch(() => {});
      await client.end();
    },
  };
}
