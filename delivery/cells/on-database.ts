import pg from 'pg';

/** The same server and login, another database. */
export function urlOfDatabase(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/** Does something on another database of the same server, with the same login. */
export async function onDatabase<T>(
  adminUrl: string,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const connectionString = urlOfDatabase(adminUrl, database);
  const client = new pg.Client({ connectionString, application_name: 'relevo cells' });
  client.on('error', () => {}); // the pending call is told as well
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
