import type pg from 'pg';
import { onDatabase } from './on-database.ts';
import { makeSchemas, schemaDigest } from './schema-changes.ts';

/** No cell's database: after `relevo_TENANT_` those have the name of an environment, and this has a digest. */
const nameOf = async (): Promise<string> => `relevo_schema_${await schemaDigest()}`;

/**
 * A database with the schemas of this release and nothing else, of which cells' databases are copies: to copy it
 * takes no longer than to copy PostgreSQL's own, and the schemas need not be made again. It is made once for each
 * release and server. Nobody can connect to it, whatever the role, and so nothing can come to be in it.
 *
 * Templates of other releases stay: a server may well hold cells of two releases that are both being added to.
 */
export async function templateDatabase(client: pg.Client, adminUrl: string): Promise<string> {
  const name = await nameOf();
  if (await isWhole(client, name)) return name;
  await client.query('select pg_advisory_lock(hashtext($1))', [name]);
  try {
    if (!(await isWhole(client, name))) await make(client, adminUrl, name);
  } finally {
    await client.query('select pg_advisory_unlock(hashtext($1))', [name]).catch(() => {}); // goes with the session
  }
  return name;
}

/** It is declared a template when it is finished, so one whose making was cut short is known by that. */
async function isWhole(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'select from pg_database where datname = $1 and datistemplate and not datallowconn',
    [name],
  );
  return rowCount === 1;
}

async function make(client: pg.Client, adminUrl: string, name: string): Promise<void> {
  await client.query(`drop database if exists "${name}" with (force)`);
  await createEmptyDatabase(client, name);
  await onDatabase(adminUrl, name, makeSchemas);
  await client.query(`alter database "${name}" with is_template true allow_connections false`);
}

/** A database without any schema, into which nobody comes. */
export async function createEmptyDatabase(client: pg.Client, name: string): Promise<void> {
  // Bytes compare as bytes: external ids need no collation, and "C" is the same on every machine.
  await client.query(
    `create database "${name}" template template0 encoding 'UTF8' locale 'C' strategy wal_log`,
  );
  await client.query(`revoke all on database "${name}" from public`);
}
