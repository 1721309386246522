import type pg from 'pg';

/**
 * What refuses a change to a row that was once written, whoever asks: a service's own role has no right to one, so
 * this is for the owner of the tables. A superuser can take the trigger away, and the hash chain tells of it.
 */
export const REFUSE_CHANGE = `
  create or replace function cell.refuse_change() returns trigger language plpgsql as $$
  begin
    raise exception '%.% takes new rows and nothing else', tg_table_schema, tg_table_name
      using errcode = 'insufficient_privilege';
  end $$`;

/** Makes every table of a schema refuse updates, deletions and truncation, also where triggers of replicas sleep. */
export async function sealTables(client: pg.Client, schema: string): Promise<void> {
  await client.query(REFUSE_CHANGE);
  const { rows } = await client.query<{ table: string }>(
    `select format('%I.%I', nspname, relname) as table from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = $1 and relkind in ('r', 'p')
        and not exists (select from pg_trigger where tgrelid = pg_class.oid and tgname = 'append_only')`,
    [schema],
  );
  for (const { table } of rows)
    await client.query(`
      create trigger append_only before update or delete or truncate on ${table}
         for each statement execute function cell.refuse_change();
      alter table ${table} enable always trigger append_only`);
}
