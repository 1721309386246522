import pg from 'pg';

/** A connection that takes the next statement before it has answered the last. The types of `pg` do not know of it. */
export async function pipelinedClient(
  url: string,
  settings: { readonly application_name: string; readonly options?: string },
): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, pipeline: true, ...settings } as pg.ClientConfig);
  await client.connect();
  return client;
}
