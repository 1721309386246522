import type { KeyObject } from 'node:crypto';
import { type Database, openDatabase, openTrial, type PoolLimits } from '#runtime/database/database.ts';
import type { Calls } from '#runtime/calls.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { Vault, type WrappedKey } from '#runtime/vault/vault.ts';
import { cellCalls } from './caller-keys.ts';
import { type CellFile, keksOf, listCells, readCellFile } from './cell-file.ts';
import { type CellName, cellText, databaseName, roleName } from './cell-name.ts';

type FurtherLimits = Omit<PoolLimits, 'connections' | 'applicationName'>;

/** A way into one cell, for a process that holds its file. */
export interface Cell {
  readonly name: CellName;
  readonly home: string;
  readonly file: CellFile;
  /** The file as it is now: keys are rotated while a process runs. */
  fileNow(): Promise<CellFile>;
  /** Both sides of the calls between its services, in this process. */
  readonly calls: Calls;
  /** A pool under one of the cell's roles. Pools are closed with the cell. */
  connect(role: string, connections: number, further?: FurtherLimits): Database;
  /** As `connect`, but nothing that happens on it stays. */
  trial(role: string): Promise<Database>;
  close(): Promise<void>;
}

export async function openCell(server: Server, home: string, name: CellName): Promise<Cell> {
  const file = await readCellFile(home, name);
  if (!file) throw await unknownCell(home, name);
  return cellWith({ file, home }, (role) => {
    const password = file.passwords[role];
    if (password === undefined) throw olderCell(name, role);
    return server.urlFor(databaseName(name), roleName(name, role), password);
  });
}

interface CellFacts {
  readonly file: CellFile;
  readonly home: string;
  readonly gatewayKey?: KeyObject;
  /** For a process that may not read the home itself. */
  readonly fileNow?: () => Promise<CellFile>;
}

/** A way into a cell whose file is known, by a connection string for each role. */
export function cellWith(
  { file, home, gatewayKey, fileNow }: CellFacts,
  urlOf: (role: string) => string,
): Cell {
  const open: Database[] = [];
  const keep = (database: Database) => {
    open.push(database);
    return database;
  };
  const name = { tenant: file.tenant, environment: file.environment };
  const label = (role: string) => `relevo ${role}`;
  return {
    name,
    home,
    file,
    fileNow: fileNow ?? (async () => (await readCellFile(home, name)) ?? file),
    calls: cellCalls(file, gatewayKey),
    connect: (role, connections, further) =>
      keep(openDatabase(urlOf(role), { connections, applicationName: label(role), ...further })),
    trial: async (role) => keep(await openTrial(urlOf(role), label(role))),
    async close() {
      await Promise.all(open.splice(0).map((database) => database.close()));
    },
  };
}

async function unknownCell(home: string, name: CellName): Promise<Refusal> {
  const known = await listCells(home);
  const advice =
    known.length > 0
      ? `Known cells: ${known.map(cellText).join(', ')}.`
      : `Make it with: relevo tenant add ${name.tenant}`;
  return new Refusal('unknown_cell', `No cell ${cellText(name)} is known in ${home}.`, { advice });
}

const olderCell = (name: CellName, role: string): Refusal =>
  new Refusal(
    'schema_mismatch',
    `${cellText(name)} was made by an earlier release: it has no role ${role}.`,
    {
      advice: `Bring it to this release: relevo tenant add ${name.tenant}`,
    },
  );

const wrappedKeys = (db: Database) =>
  db.rows<WrappedKey>`select purpose, version, wrapped from cell.data_keys`;

/** Opens the cell's data keys. `db` belongs to a role of the PCI zone or to `keys`. */
export async function openVault(cell: Cell, db: Database): Promise<Vault> {
  return new Vault(keksOf(cell.file), await wrappedKeys(db));
}

/** Takes in what a rotation has changed since the vault was opened: the cell file's keys and the data keys. */
export async function refreshVault(cell: Cell, db: Database, vault: Vault): Promise<void> {
  vault.reload(keksOf(await cell.fileNow()), await wrappedKeys(db));
}
