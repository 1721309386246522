import type pg from 'pg';
import { crashPoint } from '#runtime/crash-point.ts';
import { type Database, openDatabase } from '#runtime/database/database.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { Vault, type WrappedKey } from '#runtime/vault/vault.ts';
import { serveAudit } from '#services/audit/main.ts';
import type { Details, NewEntry } from '#services/audit/service.ts';
import { cellCalls } from '../cells/caller-keys.ts';
import { type CellFile, keksOf } from '../cells/cell-file.ts';
import { type CellName, cellText, databaseName } from '../cells/cell-name.ts';
import { createCell, createDataKeys, letRolesIn } from '../cells/create-cell.ts';
import { urlOfDatabase } from '../cells/on-database.ts';
import { openCell } from '../cells/open-cell.ts';
import { applySchemaChanges, releaseChanges } from '../cells/schema-changes.ts';
import { createEmptyDatabase } from '../cells/template-database.ts';
import { TimedSteps } from '../cells/timed-steps.ts';
import type { BackupHeader } from './backup-header.ts';
import { namedKeks, type NamedKek } from './backup-keys.ts';
import { besideNames } from './beside-names.ts';
import { refuseInUse, unlessInUse } from './cell-in-use.ts';
import { type BookCheck, checkBooks, checkRows } from './check-books.ts';
import { loadRows } from './load-rows.ts';
import type { Manifest } from './manifest.ts';
import { noProgress, type StepProgress } from './progress.ts';
import { type Backup, openBackup, verifyBackup } from './read-backup.ts';
import { trailHeadOf, withOwner } from './snapshot.ts';
import { takeTurn } from './take-turn.ts';

export interface RestoreWanted {
  readonly path: string;
  readonly operator: string;
  /** Restores beside the cell, checks, and takes away again; the cell may be in use. */
  readonly drill?: boolean;
  /** Restores although the books do not close: they did not when the backup was made. */
  readonly acceptBrokenBooks?: boolean;
  readonly progress?: StepProgress;
  readonly timed?: TimedSteps;
}

export interface Restored {
  readonly header: BackupHeader;
  /**
   *   restored   the cell is what the backup says
   *   finished   an earlier run had restored it and was cut short behind that; its remains were taken away
   *   drilled    restored beside the cell, checked and taken away
   *   unsound    the restored books do not close, and the cell is as it was
   */
  readonly outcome: 'restored' | 'finished' | 'drilled' | 'unsound';
  readonly checks: readonly BookCheck[];
  readonly rows: number;
  /** Where the audit trail of the database that was replaced ended; null where there was none. */
  readonly trailHeadBefore: string | null;
}

/**
 * Restores a cell from a backup, or tries to. Everything that speaks against it is found before anything is touched. The
 * rows go into a new database, which is checked and then takes the cell's name in one transaction. So a run that is
 * killed leaves the cell as it was, or restored: run again, it starts anew in the first case and clears away the
 * former database in the second.
 */
export async function restoreCell(
  server: Server,
  home: string,
  name: CellName,
  { path, progress = noProgress, timed = new TimedSteps(), ...wanted }: RestoreWanted,
): Promise<Restored> {
  const cell = await openCell(server, home, name);
  const backup = await openBackup(path);
  try {
    const keks = namedKeks(cell.file);
    await refuseUnfit(backup, name, keks);
    return await withOwner(server.adminUrl, 'relevo restore', async (admin) => {
      await takeTurn(admin, name);
      if (!wanted.drill) await refuseInUse(admin, name);
      const { manifest } = await timed.run('verify', () => verifyBackup(backup, { keks, name, progress }));
      const restore = new Restore({
        server,
        home,
        name,
        file: cell.file,
        admin,
        backup,
        manifest,
        keks,
        progress,
        timed,
      });
      return wanted.drill ? restore.drill(wanted) : restore.replace(wanted);
    });
  } finally {
    await backup.close();
    await cell.close();
  }
}

/** What can be told from the header: it is another cell's, of keys that are not here, of a release that is to come. */
async function refuseUnfit(
  { header, path }: Backup,
  name: CellName,
  keks: readonly NamedKek[],
): Promise<void> {
  if (header.cell !== cellText(name))
    throw new Refusal(
      'backup_of_another_cell',
      `${path} is a backup of ${header.cell}, not of ${cellText(name)}.`,
      {
        advice: `Restore it with --cell ${header.cell}, or give a backup of ${cellText(name)}.`,
      },
    );
  const known = new Set(keks.map(({ fingerprint }) => fingerprint));
  const missing = [...new Set([header.sealedBy, ...header.keks])].filter((each) => !known.has(each));
  if (missing.length > 0)
    throw new Refusal(
      'wrong_key_file',
      `The cell file of ${cellText(name)} does not hold the keys that this backup needs: ${missing.join(', ')}.`,
      {
        advice:
          'Put the cell file back that was there when the backup was made, or a later one. Nothing was touched.',
      },
    );
  const changes = new Set(await releaseChanges());
  const later = header.changes.filter(({ schema, change }) => !changes.has(`${schema}/${change}`));
  if (later.length > 0)
    throw new Refusal(
      'backup_of_later_release',
      `The backup was made by a later release: this one does not know ${later.map(({ schema, change }) => `${schema}/${change}`).join(', ')}.`,
      { advice: 'Restore it with the release that made it, or with a later one. Nothing was touched.' },
    );
}

interface Scene {
  readonly server: Server;
  readonly home: string;
  readonly name: CellName;
  readonly file: CellFile;
  /** Connected to no cell. */
  readonly admin: pg.Client;
  readonly backup: Backup;
  readonly manifest: Manifest;
  readonly keks: readonly NamedKek[];
  readonly progress: StepProgress;
  readonly timed: TimedSteps;
}

class Restore {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async drill({ operator }: Pick<RestoreWanted, 'operator'>): Promise<Restored> {
    const { admin, name } = this.#scene;
    if (!(await isHere(admin, databaseName(name))))
      throw new Refusal('cell_not_here', `The database of ${cellText(name)} is not on this server.`, {
        advice: `Make its roles first: relevo tenant add ${name.tenant}`,
      });
    const { drill } = besideNames(name);
    // Before a second copy of the cell's data lies on the server.
    await this.#tellTheCell(operator, 'cell.drill_begun');
    try {
      const checks = await this.#fill(drill);
      return this.#told(isSound(checks) ? 'drilled' : 'unsound', checks, null);
    } finally {
      await dropDatabase(admin, drill);
    }
  }

  async replace({
    operator,
    acceptBrokenBooks = false,
  }: Pick<RestoreWanted, 'operator' | 'acceptBrokenBooks'>) {
    const { admin, name, server, home, timed } = this.#scene;
    const { restoring, former } = besideNames(name);
    if (await isHere(admin, former)) {
      if (await this.#finishEarlier(former)) return this.#told('finished', [], null);
    } else if (!(await isHere(admin, databaseName(name))))
      await timed.run('roles', () => createCell(server.adminUrl, home, name));
    const trailHeadBefore = await withOwner(this.#urlOf(databaseName(name)), 'relevo restore', trailHeadOf);
    try {
      const checks = await this.#fill(restoring);
      if (!isSound(checks) && !acceptBrokenBooks) {
        await this.#tellTheCell(operator, 'cell.restore_abandoned', { checks_broken: brokenOf(checks) });
        return this.#told('unsound', checks, trailHeadBefore);
      }
      await timed.run('audit trail', () => this.#tell(restoring, { operator, trailHeadBefore, checks }));
      crashPoint('restore:told');
      await timed.run('swap', () => this.#swap({ restoring, former }));
      crashPoint('restore:swapped');
      await timed.run('former database', () => dropDatabase(admin, former));
      crashPoint('restore:former-dropped');
      return this.#told('restored', checks, trailHeadBefore);
    } finally {
      await dropDatabase(admin, restoring);
    }
  }

  #told(
    outcome: Restored['outcome'],
    checks: readonly BookCheck[],
    trailHeadBefore: string | null,
  ): Restored {
    const { backup, manifest } = this.#scene;
    const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
    return { header: backup.header, outcome, checks, rows, trailHeadBefore };
  }

  /** A former database says that an earlier run came to its end but for this one. Was it a run of this backup? */
  async #finishEarlier(former: string): Promise<boolean> {
    const { admin, name, backup, timed } = this.#scene;
    const { rows } = await admin.query<{ mark: string | null }>(
      `select shobj_description(oid, 'pg_database') as mark from pg_database where datname = $1`,
      [databaseName(name)],
    );
    // Somebody renamed by hand: nothing is thrown away that may be all there is.
    if (rows.length === 0)
      throw new Refusal('cell_not_here', `${former} is on this server, but the cell's own database is not.`, {
        advice: `If it is what the cell was, rename it: alter database "${former}" rename to "${databaseName(name)}"`,
      });
    await timed.run('former database', () => dropDatabase(admin, former));
    return rows[0].mark === markOf(backup.header);
  }

  /** Makes a database with everything that the backup holds, brings it to this release, and looks at its books. */
  async #fill(database: string): Promise<BookCheck[]> {
    const { admin, name, file, backup, manifest, keks, progress, timed } = this.#scene;
    const url = this.#urlOf(database);
    await timed.run('database', async () => {
      await dropDatabase(admin, database);
      await createEmptyDatabase(admin, database);
      await letRolesIn(admin, name, database);
      await admin.query(`comment on database "${database}" is '${markOf(backup.header)}'`);
    });
    crashPoint('restore:database-made');
    const made = new Set(backup.header.changes.map(({ schema, change }) => `${schema}/${change}`));
    return withOwner(url, 'relevo restore', async (client) => {
      await timed.run('schemas', () => applySchemaChanges(client, name, (change) => made.has(change)));
      await timed.run('rows', () => loadRows(client, backup, { manifest, keks, name, progress }));
      crashPoint('restore:loaded');
      const compared = await timed.run('compare', () => checkRows(client, manifest, progress));
      if (!isSound(compared)) return compared;
      await timed.run('this release', async () => {
        await applySchemaChanges(client, name);
        await createDataKeys(client, file);
      });
      const books = await timed.run('books', () =>
        this.#entering(url, (db, vault) =>
          checkBooks({ client, db, vault, calls: cellCalls(file), trailHead: manifest.trailHead }),
        ),
      );
      crashPoint('restore:checked');
      return [...compared, ...books];
    });
  }

  /** The audit trail and the opened keys of a database that is no cell yet. */
  async #entering<T>(url: string, work: (db: Database, vault: Vault) => Promise<T>): Promise<T> {
    const db = openDatabase(url, { connections: 1, applicationName: 'relevo restore' });
    try {
      const wrapped = await db.rows<WrappedKey>`select purpose, version, wrapped from cell.data_keys`;
      return await work(db, new Vault(keksOf(this.#scene.file), wrapped));
    } finally {
      await db.close();
    }
  }

  /** Told in the restored trail, which then goes on: what followed the backup in the other one is in it no more. */
  async #tell(
    database: string,
    told: { operator: string; trailHeadBefore: string | null; checks: readonly BookCheck[] },
  ): Promise<void> {
    await this.#append(database, told.operator, 'cell.restored', {
      head_of_backup: this.#scene.manifest.trailHead ?? 'none',
      head_before: told.trailHeadBefore ?? 'none',
      checks_broken: brokenOf(told.checks),
    });
  }

  /**
   * Told in the trail of the cell as it is, if it has one. A cell whose keys do not fit its database any more is what a
   * restore is for: it goes untold, for nobody could write into its trail.
   */
  async #tellTheCell(operator: string, action: string, details: Details = {}): Promise<void> {
    const database = databaseName(this.#scene.name);
    if ((await withOwner(this.#urlOf(database), 'relevo restore', trailHeadOf)) === null) return;
    try {
      await this.#append(database, operator, action, details);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  async #append(database: string, actor: string, action: string, details: Details): Promise<void> {
    const { backup, name, file } = this.#scene;
    const entry: NewEntry = {
      actor,
      action,
      subject: cellText(name),
      details: { backup: backup.header.id, made_at: backup.header.madeAt, ...details },
    };
    await this.#entering(this.#urlOf(database), async (db, vault) => {
      await cellCalls(file).client(serveAudit(db, vault), 'cells').appendEntries([entry]);
    });
  }

  /** Both names change in one transaction, or neither. PostgreSQL refuses while anybody is connected. */
  #swap({ restoring, former }: { restoring: string; former: string }): Promise<void> {
    const { admin, name } = this.#scene;
    return unlessInUse(admin, name, async () => {
      await admin.query('begin');
      try {
        await admin.query(`alter database "${databaseName(name)}" rename to "${former}"`);
        await admin.query(`alter database "${restoring}" rename to "${databaseName(name)}"`);
        crashPoint('restore:swapping');
        await admin.query('commit');
      } catch (error) {
        await admin.query('rollback').catch(() => {});
        throw error;
      }
    });
  }

  #urlOf(database: string): string {
    return urlOfDatabase(this.#scene.server.adminUrl, database);
  }
}

export const isSound = (checks: readonly BookCheck[]): boolean =>
  checks.every(({ problems }) => problems.length === 0);

const brokenOf = (checks: readonly BookCheck[]): number =>
  checks.filter(({ problems }) => problems.length > 0).length;

const markOf = ({ id }: BackupHeader): string => `relevo restore ${id}`;

async function isHere(admin: pg.Client, database: string): Promise<boolean> {
  return (await admin.query('select from pg_database where datname = $1', [database])).rowCount === 1;
}

/** Of databases beside a cell's own, where nobody has any business. */
async function dropDatabase(admin: pg.Client, database: string): Promise<void> {
  await admin.query(`drop database if exists "${database}" with (force)`);
}
