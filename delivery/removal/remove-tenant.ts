import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { PublicKey } from 'openpgp';
import { crashPoint } from '#runtime/crash-point.ts';
import { syncFolder, writeAside } from '#runtime/files/write-aside.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { refuseInUse } from '../backup/cell-in-use.ts';
import { noProgress, type StepProgress } from '../backup/progress.ts';
import { takeTurn } from '../backup/take-turn.ts';
import { withOwner } from '../backup/snapshot.ts';
import { listCells, readCellFile } from '../cells/cell-file.ts';
import { type CellName, cellText, databaseName, ENVIRONMENTS } from '../cells/cell-name.ts';
import { type Cell, openCell } from '../cells/open-cell.ts';
import { TimedSteps } from '../cells/timed-steps.ts';
import { asOwner, openDoor, shutDoor } from './cell-door.ts';
import {
  type Certificate,
  certificateBytes,
  certificatePath,
  MEANS,
  signCertificate,
} from './certificate.ts';
import { destroyKeys, shredKeys } from './destroy-keys.ts';
import { dropCell } from './drop-cell.ts';
import { type Export, exportCell } from './export-cell.ts';
import { exportKeysOf } from './export-keys.ts';
import { keksTold, takeInventory } from './inventory.ts';
import { platformKey } from './platform-key.ts';
import { endRecord, findUnfinished, newFolder, type RemovalRecord, writeRecord } from './removal-record.ts';
import { tellOfRemoval } from './tell-of-removal.ts';
import { findTenantFiles } from './tenant-files.ts';

export interface RemovalWanted {
  readonly operator: string;
  /** Nobody will have the tenant's data. */
  readonly withoutExport?: boolean;
  /** In place of the tenant's registered keys. */
  readonly exportKey?: PublicKey | null;
  readonly progress?: StepProgress;
  readonly timed?: TimedSteps;
}

export interface RemovedTenant {
  readonly folder: string;
  readonly certificate: Certificate;
  readonly certificateFile: string;
  readonly signatureFile: string;
  /** An earlier run had begun to destroy it. */
  readonly wasUnderWay: boolean;
}

/** What of a tenant is here, looked up before anybody is asked whether it is to go. */
export async function findTenant(
  server: Server,
  home: string,
  tenant: string,
): Promise<{ cells: CellName[]; isUnderWay: boolean }> {
  const unfinished = await findUnfinished(home, tenant);
  const isUnderWay = unfinished !== null && unfinished.record.state !== 'exporting';
  const cells = await withOwner(server.adminUrl, 'relevo removal', (admin) => cellsHere(admin, home, tenant));
  if (cells.length === 0 && !isUnderWay) throw await unknownTenant(home, tenant);
  return { cells, isUnderWay };
}

/**
 * Removes a tenant for good: its cells are closed and exported for it, what there is of them is written down, and then
 * databases, roles, files and keys are destroyed. In the end a signed certificate says what was destroyed. What is
 * written down is on the disk before the first thing goes, so a run that was killed is finished by running it again.
 */
export async function removeTenantForGood(
  server: Server,
  home: string,
  tenant: string,
  {
    operator,
    withoutExport = false,
    exportKey = null,
    progress = noProgress,
    timed = new TimedSteps(),
  }: RemovalWanted,
): Promise<RemovedTenant> {
  return withOwner(server.adminUrl, 'relevo removal', async (admin) => {
    for (const environment of ENVIRONMENTS) await takeTurn(admin, { tenant, environment });
    const removal = new Removal({ server, home, tenant, admin, timed });
    const unfinished = await findUnfinished(home, tenant);
    const wasUnderWay = unfinished !== null && unfinished.record.state !== 'exporting';
    const begun = wasUnderWay
      ? unfinished
      : await removal.prepare(unfinished, { operator, withoutExport, exportKey, progress });
    const ended = await removal.destroy(begun.folder, begun.record);
    return { ...ended, folder: begun.folder, wasUnderWay };
  });
}

interface Scene {
  readonly server: Server;
  readonly home: string;
  readonly tenant: string;
  /** Connected to no cell. */
  readonly admin: pg.Client;
  readonly timed: TimedSteps;
}

interface Begun {
  readonly folder: string;
  readonly record: RemovalRecord;
}

class Removal {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Closes the cells, exports them and writes down what there is. Until that is done nothing is destroyed. */
  async prepare(
    unfinished: Begun | null,
    wanted: Required<Pick<RemovalWanted, 'operator' | 'withoutExport' | 'progress'>> & {
      exportKey: PublicKey | null;
    },
  ): Promise<Begun> {
    const { admin, home, tenant, server, timed } = this.#scene;
    const cells = await cellsHere(admin, home, tenant);
    if (cells.length === 0) throw await unknownTenant(home, tenant);
    const folder = unfinished?.folder ?? (await newFolder(home, tenant, new Date()));
    const begun: RemovalRecord = unfinished?.record ?? {
      id: randomUUID(),
      tenant,
      begunAt: new Date().toISOString(),
      by: wanted.operator,
      state: 'exporting',
      cells: [],
      files: [],
      exports: [],
    };
    const shut: CellName[] = [];
    try {
      for (const name of cells) {
        if (!(await hasDatabase(admin, name))) continue;
        await shutDoor(admin, name);
        shut.push(name);
      }
      await writeRecord(folder, begun);
      crashPoint('removal:begun');
      if (wanted.withoutExport)
        for (const name of shut) await tellOfRemoval(server, home, name, wanted.operator);
      const exports = wanted.withoutExport ? [] : await this.#exportAll(shut, folder, wanted);
      crashPoint('removal:exported');
      const inventories = [];
      for (const name of cells)
        inventories.push(await timed.run('inventory', () => takeInventory(server, home, name, admin)));
      const record: RemovalRecord = {
        ...begun,
        by: wanted.operator,
        state: 'destroying',
        cells: inventories,
        files: await findTenantFiles(home, tenant),
        exports,
      };
      await writeRecord(folder, record);
      crashPoint('removal:inventory-written');
      return { folder, record };
    } catch (error) {
      for (const name of shut) await openDoor(admin, name).catch(() => {});
      if (!unfinished) await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #exportAll(
    names: readonly CellName[],
    folder: string,
    {
      operator,
      exportKey,
      progress,
    }: Pick<RemovalWanted, 'operator'> & {
      exportKey: PublicKey | null;
      progress: StepProgress;
    },
  ): Promise<Export[]> {
    const { server, home, timed } = this.#scene;
    const cells: Cell[] = [];
    try {
      for (const name of names) cells.push(await this.#openToExport(asOwner(server), home, name));
      const keys = exportKey ? null : await exportKeysOf(cells);
      const exports: Export[] = [];
      for (const cell of cells) {
        const { environment } = cell.name;
        const encryptionKeys = exportKey ? [exportKey] : keys!.get(environment)!;
        if (encryptionKeys.length === 0) {
          await tellOfRemoval(server, home, cell.name, operator);
          continue;
        }
        const wanted = { folder, operator, progress, encryptionKeys };
        exports.push(...(await timed.run(`export ${environment}`, () => exportCell(cell, wanted))));
      }
      return exports;
    } finally {
      for (const cell of cells) await cell.close();
    }
  }

  async #openToExport(server: Server, home: string, name: CellName): Promise<Cell> {
    if (!(await readCellFile(home, name)))
      throw new Refusal('cell_file_missing', `The cell file of ${cellText(name)} is not in ${home}.`, {
        advice:
          'Without it nothing can be exported. Put it back, or remove the tenant with --without-export.',
      });
    return openCell(server, home, name);
  }

  async destroy(
    folder: string,
    record: RemovalRecord,
  ): Promise<Pick<RemovedTenant, 'certificate' | 'certificateFile' | 'signatureFile'>> {
    const { home, tenant, timed } = this.#scene;
    if (record.state === 'destroying') {
      await this.#destroyData(record);
      await writeRecord(folder, { ...record, state: 'shredding' });
    }
    crashPoint('removal:files-removed');
    // Behind this a tenant of the same name may have been added, with keys of its own.
    const isOurs = (await this.#foreignCells(record)).length === 0;
    await timed.run('keys', () => (isOurs ? destroyKeys(home, tenant, folder) : shredKeys(folder)));
    const certificate = await timed.run('certificate', () => this.#certify(folder, record));
    const { certificate: certificateFile, signature: signatureFile } = await endRecord(folder);
    return { certificate, certificateFile, signatureFile };
  }

  async #destroyData(record: RemovalRecord): Promise<void> {
    const { admin, home, tenant, timed } = this.#scene;
    const foreign = await this.#foreignCells(record);
    if (foreign.length > 0)
      throw new Refusal(
        'tenant_added_again',
        `The removal of ${tenant} had begun, and meanwhile ${foreign.map(cellText).join(', ')} got other keys.`,
        {
          advice:
            'Put the cell files back that were there before, so that nobody else is destroyed in its place.',
        },
      );
    for (const environment of ENVIRONMENTS) {
      const name = { tenant, environment };
      await refuseInUse(admin, name);
      await timed.run('databases and roles', () => dropCell(admin, name));
    }
    await timed.run('files', async () => {
      // Those that were written since are no part of the inventory, and must not stay either.
      const files = [...record.files, ...(await findTenantFiles(home, tenant))];
      for (const { file } of files) await rm(join(home, file), { force: true });
    });
  }

  /** Cells of the tenant's name whose keys are not those of the inventory. */
  async #foreignCells({ cells, tenant }: RemovalRecord): Promise<CellName[]> {
    const { home } = this.#scene;
    const ours = new Set(cells.flatMap(({ keks }) => keks.map(({ fingerprint }) => fingerprint)));
    const foreign: CellName[] = [];
    for (const name of await listCells(home)) {
      if (name.tenant !== tenant) continue;
      const file = await readCellFile(home, name);
      if (file && !ours.has(keksTold(file)[0].fingerprint)) foreign.push(name);
    }
    return foreign;
  }

  async #certify(folder: string, record: RemovalRecord): Promise<Certificate> {
    const { home } = this.#scene;
    const { id, tenant, begunAt, by, cells, files, exports } = record;
    const certificate: Certificate = {
      certificate: 'relevo removal of a tenant 1',
      id,
      tenant,
      begun_at: begunAt,
      destroyed_at: new Date().toISOString(),
      by,
      cells,
      files,
      exports,
      means: MEANS,
    };
    const bytes = certificateBytes(certificate);
    await writeAside(certificatePath(folder), bytes.toString('utf8'), { mode: 0o644 });
    crashPoint('removal:certificate-written');
    await signCertificate(folder, bytes, await platformKey(home));
    await syncFolder(folder);
    crashPoint('removal:certificate-signed');
    return certificate;
  }
}

/** Cells that have a key file or a database: a tenant that was added by half has one of them. */
async function cellsHere(admin: pg.Client, home: string, tenant: string): Promise<CellName[]> {
  const filed = (await listCells(home)).filter((cell) => cell.tenant === tenant);
  const cells: CellName[] = [];
  for (const environment of ENVIRONMENTS) {
    const name = { tenant, environment };
    if (filed.some((cell) => cell.environment === environment) || (await hasDatabase(admin, name)))
      cells.push(name);
  }
  return cells;
}

async function hasDatabase(admin: pg.Client, name: CellName): Promise<boolean> {
  return (
    (await admin.query('select from pg_database where datname = $1', [databaseName(name)])).rowCount === 1
  );
}

async function unknownTenant(home: string, tenant: string): Promise<Refusal> {
  const known = [...new Set((await listCells(home)).map((cell) => cell.tenant))];
  return new Refusal('unknown_tenant', `No tenant ${tenant} is known in ${home}.`, {
    advice: known.length > 0 ? `Known tenants: ${known.join(', ')}.` : 'There are no tenants here.',
  });
}
