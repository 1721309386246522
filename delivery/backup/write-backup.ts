import { randomBytes, randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { constants, createZstdCompress } from 'node:zlib';
import { crashPoint } from '#runtime/crash-point.ts';
import { throughZlib } from '#runtime/openpgp/through-zlib.ts';
import { syncFolder } from '#runtime/files/write-aside.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { sealedVersion } from '#runtime/vault/seal.ts';
import { readCellFile } from '../cells/cell-file.ts';
import { type CellName, cellText, databaseName } from '../cells/cell-name.ts';
import { urlOfDatabase } from '../cells/on-database.ts';
import { openAudit } from '../cells/open-audit.ts';
import { openCell } from '../cells/open-cell.ts';
import { TimedSteps } from '../cells/timed-steps.ts';
import { type BackupHeader, bindingOf, headerBytes } from './backup-header.ts';
import { backupKey, namedKeks, type NamedKek, SALT_BYTES } from './backup-keys.ts';
import { copyOut } from './copy-out.ts';
import type { Manifest } from './manifest.ts';
import { noProgress, type StepProgress } from './progress.ts';
import { openBackup, verifyBackup } from './read-backup.ts';
import { RECORD, writeJson, writeRecord } from './records.ts';
import { RowsDigest } from './rows-digest.ts';
import { sealFrames } from './sealed-frames.ts';
import { quoted, quotedAll, readSequences, type Snapshot, withSnapshot } from './snapshot.ts';

export interface BackupWanted {
  readonly path: string;
  readonly operator: string;
  readonly progress?: StepProgress;
  readonly timed?: TimedSteps;
}

export interface WrittenBackup {
  readonly path: string;
  readonly header: BackupHeader;
  readonly manifest: Manifest;
  readonly bytes: number;
}

/** Where backups lie that were given no name. */
export const backupsFolder = (home: string): string => join(home, 'backups');

export const backupPath = (home: string, { tenant, environment }: CellName, now: Date): string => {
  const moment = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  return join(backupsFolder(home), `${tenant}-${environment}-${moment}Z.relevo-backup`);
};

/**
 * Writes a cell's whole database into one file, as it is at one moment. The file is sealed under a key that is derived
 * from the newest key-encryption key of the cell file, so it tells nobody more than the database would without that
 * file: nothing. Written aside, read back, and only then given its name.
 */
export async function writeBackup(
  server: Server,
  home: string,
  name: CellName,
  { path, operator, progress = noProgress, timed = new TimedSteps() }: BackupWanted,
): Promise<WrittenBackup> {
  const cell = await openCell(server, home, name);
  try {
    await refuseOverwriting(path);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await removeAbandoned(dirname(path));
    const aside = `${path}${ASIDE}`;
    const file = await open(aside, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? underWay(path) : error;
    });
    try {
      const written = await timed.run('write', () => write(server, home, name, file, progress));
      await file.close();
      const { manifest } = await timed.run('read back', () => readBack(aside, written.kek, name, progress));
      const { size: bytes } = await stat(aside);
      crashPoint('backup:written');
      await timed.run('audit trail', async () => {
        const audit = await openAudit(cell, 'cells');
        // Before the file has its name: a copy of everything must not come to be unseen.
        await audit.appendEntries([
          {
            actor: operator,
            action: 'cell.backed_up',
            subject: cellText(name),
            details: {
              // No name of a file, which may hold a long number, and no long number of our own.
              backup: written.header.id,
              megabytes: Math.ceil(bytes / 1e6),
              rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
            },
          },
        ]);
      });
      crashPoint('backup:told');
      await giveName(aside, path);
      return { path, header: written.header, manifest, bytes };
    } catch (error) {
      await file.close().catch(() => {});
      await rm(aside, { force: true });
      throw error;
    }
  } finally {
    await cell.close();
  }
}

const ASIDE = '.unfinished';
/** A backup that is being written grows by the second. */
const ABANDONED_MS = 10 * 60_000;

/** What a backup that was killed has left behind. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(ASIDE)) continue;
    const path = join(folder, name);
    const there = await stat(path).catch(() => null);
    if (there && Date.now() - there.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

const underWay = (path: string): Refusal =>
  new Refusal('backup_under_way', `Another backup is being written to ${path}, or was and was killed.`, {
    advice: `Give --to another name. What a killed one left behind is taken away after ${ABANDONED_MS / 60_000} minutes.`,
  });

async function refuseOverwriting(path: string): Promise<void> {
  if (await stat(path).catch(() => null)) throw fileExists(path);
}

const fileExists = (path: string): Refusal =>
  new Refusal('file_exists', `${path} is there already; nothing is written over.`, {
    advice: 'Give --to another name.',
  });

/** A link is refused where a rename would write over; not every file system has links. */
async function giveName(aside: string, path: string): Promise<void> {
  try {
    await link(aside, path);
    await rm(aside);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw fileExists(path);
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
    await refuseOverwriting(path);
    await rename(aside, path);
  }
  await syncFolder(dirname(path));
}

const write = (
  server: Server,
  home: string,
  name: CellName,
  file: FileHandle,
  progress: StepProgress,
): Promise<{ header: BackupHeader; kek: NamedKek }> =>
  withSnapshot(urlOfDatabase(server.adminUrl, databaseName(name)), async (snapshot) => {
    const { header, kek } = await describe(snapshot, home, name);
    const bytes = headerBytes(header);
    await file.write(bytes);
    progress.begin(
      'backup',
      snapshot.tables.reduce((sum, { diskBytes }) => sum + diskBytes, 0),
    );
    const key = backupKey(kek.key, Buffer.from(header.salt, 'base64'), name);
    const packed = throughZlib(contentOf(snapshot, progress), createZstdCompress(COMPRESSION));
    for await (const frame of sealFrames(packed, { key, binding: bindingOf(bytes) })) await file.write(frame);
    await file.sync();
    progress.end();
    return { header, kek };
  });

// What is large in a cell is sealed and does not get smaller; higher levels find nothing more in the rest.
const COMPRESSION = { chunkSize: 256 * 1024, params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/**
 * The cell file is read after the snapshot was taken: a rotation writes its new key into the file before it wraps a data
 * key by it, so whatever the snapshot's keys are wrapped by is in the file.
 */
async function describe(
  { client, changes }: Snapshot,
  home: string,
  name: CellName,
): Promise<{ header: BackupHeader; kek: NamedKek }> {
  const keks = namedKeks((await readCellFile(home, name))!);
  const { rows } = await client.query<{ wrapped: Buffer }>('select wrapped from cell.data_keys');
  const needed = new Set(rows.map(({ wrapped }) => sealedVersion(wrapped)));
  const missing = [...needed].filter((version) => !keks.some((kek) => kek.version === version));
  if (missing.length > 0)
    throw new Refusal(
      'kek_missing',
      `The data keys of ${cellText(name)} need key-encryption key ${missing.join(', ')}, which the cell file does not hold.`,
      {
        advice:
          'Restore the cell file that belongs to this database; a backup without its keys would be worthless.',
      },
    );
  const kek = keks.at(-1)!;
  const header: BackupHeader = {
    id: randomUUID(),
    cell: cellText(name),
    madeAt: new Date().toISOString(),
    changes: [...changes],
    keks: keks.filter(({ version }) => needed.has(version)).map(({ fingerprint }) => fingerprint),
    sealedBy: kek.fingerprint,
    salt: randomBytes(SALT_BYTES).toString('base64'),
  };
  return { header, kek };
}

/** All tables one after the other, then the manifest that says what they were. */
async function* contentOf(snapshot: Snapshot, progress: StepProgress): AsyncGenerator<Buffer> {
  const tables: Manifest['tables'] = [];
  let diskBytes = 0;
  for (const found of snapshot.tables) {
    const { table, columns } = found;
    yield* writeJson(RECORD.table, { table, columns });
    const digest = new RowsDigest();
    const rows = copyOut(snapshot.client, quoted(table), quotedAll(columns), (row) => digest.add(row));
    for await (const batch of rows) {
      progress.update(diskBytes + Math.min(digest.bytes, found.diskBytes), table);
      yield* writeRecord(RECORD.rows, batch);
    }
    diskBytes += found.diskBytes;
    tables.push({ table, columns, rows: digest.rows, bytes: digest.bytes, digest: digest.text });
  }
  const manifest: Manifest = {
    tables,
    sequences: await readSequences(snapshot.client),
    trailHead: snapshot.trailHead,
  };
  yield* writeJson(RECORD.manifest, manifest);
}

async function readBack(path: string, kek: NamedKek, name: CellName, progress: StepProgress) {
  const backup = await openBackup(path);
  try {
    return await verifyBackup(backup, { keks: [kek], name, progress });
  } finally {
    await backup.close();
  }
}
