import pg from 'pg';
import { type CellFile, newCellFile, readCellFile, writeCellFile } from '#delivery/cells/cell-file.ts';
import { type CellName, databaseName, roleName } from '#delivery/cells/cell-name.ts';
import { CELL_ROLES } from '#delivery/cells/cell-roles.ts';
import { createCell } from '#delivery/cells/create-cell.ts';
import type { TestServer } from './server.ts';

const TEMPLATE: CellName = { tenant: 'template', environment: 'production' };
/** A database can only be copied while nobody is connected to it, so test processes take turns. */
const TURN = 7_350_900;

/** Makes a cell by copying the template's database; its roles, grants and cell file are its own. */
export async function cloneCell({ home, server }: TestServer, cellHome: string, name: CellName) {
  const admin = new pg.Client({ connectionString: server.adminUrl });
  await admin.connect();
  try {
    await admin.query('select pg_advisory_lock($1)', [TURN]);
    const template = await templateFile(admin, home, server.adminUrl);
    // The copy holds the template's data keys; passwords are the cell's own.
    await writeCellFile(cellHome, { ...newCellFile(name, CELL_ROLES, new Date()), keks: template.keks });
    // Copied by file, for a server that syncs nothing: a third of what it takes by way of the log.
    await admin.query(
      `create database "${databaseName(name)}" template "${databaseName(TEMPLATE)}" strategy file_copy`,
    );
    await admin.query('select pg_advisory_unlock($1)', [TURN]);
    const file = await createCell(server.adminUrl, cellHome, name);
    // Rights on the database itself are no part of the copy.
    const roles = CELL_ROLES.map((role) => `"${roleName(name, role)}"`).join(', ');
    await admin.query(`revoke all on database "${databaseName(name)}" from public`);
    await admin.query(`grant connect on database "${databaseName(name)}" to ${roles}`);
    return file;
  } finally {
    await admin.end();
  }
}

async function templateFile(admin: pg.Client, home: string, adminUrl: string): Promise<CellFile> {
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [
    databaseName(TEMPLATE),
  ]);
  const known = rowCount ? await readCellFile(home, TEMPLATE) : null;
  return known ?? createCell(adminUrl, home, TEMPLATE);
}

export async function dropCell({ server }: TestServer, name: CellName): Promise<void> {
  const admin = new pg.Client({ connectionString: server.adminUrl });
  await admin.connect();
  try {
    await admin.query(`drop database if exists "${databaseName(name)}" with (force)`);
    for (const role of CELL_ROLES) await admin.query(`drop role if exists "${roleName(name, role)}"`);
  } finally {
    await admin.end();
  }
}
