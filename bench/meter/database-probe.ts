import pg from 'pg';
import { readProcess } from './processes.ts';

/** What the database server tells of itself while others work on it. */
export class DatabaseProbe {
  /** The server's first process, when it runs on this machine. */
  readonly postmaster: number | null;
  readonly #client: pg.Client;

  private constructor(client: pg.Client, postmaster: number | null) {
    this.#client = client;
    this.postmaster = postmaster;
  }

  static async connect(adminUrl: string): Promise<DatabaseProbe> {
    const client = new pg.Client({ connectionString: adminUrl, application_name: 'relevo bench' });
    client.on('error', () => {}); // the pending call is told as well
    await client.connect();
    const { rows } = await client.query<{ pid: number; here: boolean }>(`
      select pg_backend_pid() as pid,
             coalesce(inet_server_addr() = inet_client_addr(), true) as here`);
    const backend = rows[0].here ? readProcess(rows[0].pid) : null;
    return new DatabaseProbe(client, backend?.program === 'postgres' ? backend.parent : null);
  }

  /** Bytes of write-ahead log since the beginning of time. */
  async walPosition(): Promise<number> {
    const { rows } = await this.#client.query<{ bytes: string }>(
      `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as bytes`,
    );
    return Number(rows[0].bytes);
  }

  async databaseBytes(database: string): Promise<number> {
    const { rows } = await this.#client.query<{ bytes: string }>('select pg_database_size($1) as bytes', [
      database,
    ]);
    return Number(rows[0].bytes);
  }

  async settings(names: readonly string[]): Promise<Record<string, string>> {
    const { rows } = await this.#client.query<{ name: string; value: string }>(
      'select name, current_setting(name) as value from pg_settings where name = any($1) order by name',
      [names],
    );
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  }

  /** Writes out what earlier work left dirty, so that the next does not pay for it. */
  async settle(): Promise<void> {
    await this.#client.query('checkpoint').catch((error: { code?: string }) => {
      if (error.code !== '42501') throw error; // this role may not; then the spread is wider
    });
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
