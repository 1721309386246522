import type pg from 'pg';
import { calculateJwkThumbprint } from 'jose';
import type { Server } from '#runtime/postgres/server.ts';
import { namedKeks } from '../backup/backup-keys.ts';
import { findTables, quoted, trailHeadOf, withOwner } from '../backup/snapshot.ts';
import { type CellFile, readCellFile } from '../cells/cell-file.ts';
import { type CellName, cellText, databaseName, roleName } from '../cells/cell-name.ts';
import { CELL_ROLES } from '../cells/cell-roles.ts';
import { urlOfDatabase } from '../cells/on-database.ts';

/** What there was of a cell before it was destroyed. */
export interface CellInventory {
  readonly cell: string;
  /** Null where it was not on the server: a tenant may have been added by half. */
  readonly database: {
    readonly name: string;
    readonly bytes: number;
    readonly tables: readonly { readonly table: string; readonly rows: number }[];
    /** `1204:9f8c…`, where the audit trail ended. */
    readonly auditHead: string | null;
    /** API clients. */
    readonly clients: number;
    readonly openpgpKeys: readonly { readonly owner: string; readonly fingerprint: string }[];
  } | null;
  readonly roles: readonly string[];
  /** Fingerprints of the key-encryption keys; without them nothing that was sealed opens any more. */
  readonly keks: readonly {
    readonly version: number;
    readonly fingerprint: string;
    readonly madeAt: string;
  }[];
  /** Thumbprints (RFC 7638) of the keys that signed tokens. */
  readonly tokenKeys: readonly string[];
}

export async function takeInventory(
  server: Server,
  home: string,
  name: CellName,
  admin: pg.Client,
): Promise<CellInventory> {
  const file = await readCellFile(home, name);
  const { rows: roles } = await admin.query<{ role: string }>(
    'select rolname as role from pg_roles where rolname = any($1) order by 1',
    [CELL_ROLES.map((role) => roleName(name, role))],
  );
  return {
    cell: cellText(name),
    database: await databaseInventory(server, name, admin),
    roles: roles.map(({ role }) => role),
    keks: file ? keksTold(file) : [],
    tokenKeys: await Promise.all((file?.tokenKeys ?? []).map(({ jwk }) => calculateJwkThumbprint(jwk))),
  };
}

export const keksTold = (file: CellFile): CellInventory['keks'] =>
  namedKeks(file).map(({ version, fingerprint }, i) => ({
    version,
    fingerprint,
    madeAt: file.keks[i].madeAt,
  }));

async function databaseInventory(
  server: Server,
  name: CellName,
  admin: pg.Client,
): Promise<CellInventory['database']> {
  const database = databaseName(name);
  const { rows: here } = await admin.query<{ bytes: string }>(
    'select pg_database_size(oid) as bytes from pg_database where datname = $1',
    [database],
  );
  if (here.length === 0) return null;
  return withOwner(urlOfDatabase(server.adminUrl, database), 'relevo removal', async (client) => {
    const tables: { table: string; rows: number }[] = [];
    for (const { table } of await findTables(client)) {
      const { rows } = await client.query<{ rows: string }>(`select count(*) as rows from ${quoted(table)}`);
      tables.push({ table, rows: Number(rows[0].rows) });
    }
    const isHere = (wanted: string) => tables.some(({ table }) => table === wanted);
    const keys = isHere('cell.openpgp_keys')
      ? await client.query<{ owner: string; fingerprint: string }>(
          'select owner, upper(fingerprint) as fingerprint from cell.openpgp_keys order by owner, imported_at',
        )
      : { rows: [] };
    return {
      name: database,
      bytes: Number(here[0].bytes),
      tables,
      auditHead: await trailHeadOf(client),
      clients: tables
        .filter(({ table }) => table.endsWith('.clients'))
        .reduce((sum, { rows }) => sum + rows, 0),
      openpgpKeys: keys.rows,
    };
  });
}
