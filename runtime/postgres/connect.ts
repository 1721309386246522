import pg from 'pg';

export const SUPERUSER = 'postgres';

/** Connects, asks, and disconnects. */
export async function ask<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'relevo',
  });
  client.on('error', () => {}); // a server that goes away is told by the pending call as well
  try {
    await client.connect();
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

interface Login {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** The address of a database behind a Unix socket, in the form that pg and libpq both read. */
export function socketUrl(socketFolder: string, { user, password, database }: Login): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  const host = `host=${encodeURIComponent(socketFolder)}`;
  return `postgresql://${login}@localhost:5432/${encodeURIComponent(database)}?${host}&sslmode=disable`;
}
