import { type FileHandle, open } from 'node:fs/promises';
import { createZstdDecompress } from 'node:zlib';
import { ByteReader } from '#runtime/openpgp/byte-reader.ts';
import { throughZlib, ZlibFailure } from '#runtime/openpgp/through-zlib.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { CellName } from '../cells/cell-name.ts';
import { type BackupHeader, readHeader } from './backup-header.ts';
import { backupKey, type NamedKek } from './backup-keys.ts';
import { type BackupTable, type Manifest, parseManifest, parseTable } from './manifest.ts';
import type { StepProgress } from './progress.ts';
import { type BackupRecord, RECORD, readRecord } from './records.ts';
import { altered, cutOff } from './refusals.ts';
import { openFrames } from './sealed-frames.ts';

const READ_BYTES = 256 * 1024;

/** A backup that is open for reading, as often as one likes; it stays the same file, whatever its name leads to. */
export interface Backup {
  readonly path: string;
  readonly header: BackupHeader;
  readonly bytes: number;
  readonly file: FileHandle;
  close(): Promise<void>;
}

export async function openBackup(path: string): Promise<Backup> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Refusal('no_such_file', `The backup ${path} cannot be read (${error.code}).`);
  });
  try {
    const there = await file.stat();
    if (!there.isFile()) throw new Refusal('not_a_backup', `${path} is no file.`);
    const { header } = await readHeader(bytesOf(file), path);
    return { path, header, bytes: there.size, file, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const bytesOf = (file: FileHandle, onBytes: (count: number) => void = () => {}): ByteReader =>
  new ByteReader(
    (async function* () {
      for await (const piece of file.createReadStream({
        start: 0,
        autoClose: false,
        highWaterMark: READ_BYTES,
      })) {
        onBytes((piece as Buffer).length);
        yield piece as Buffer;
      }
    })(),
  );

interface Reading {
  readonly keks: readonly NamedKek[];
  readonly name: CellName;
  readonly onBytes?: (count: number) => void;
}

/** The records of a backup, each genuine when it is yielded. Whether they are all is known when they have ended. */
export async function* recordsOf(
  backup: Backup,
  { keks, name, onBytes }: Reading,
): AsyncGenerator<BackupRecord> {
  const { file, path } = backup;
  const sealed = bytesOf(file, onBytes);
  const { header, binding } = await readHeader(sealed, path);
  const kek = keks.find(({ fingerprint }) => fingerprint === header.sealedBy);
  if (!kek) throw altered(path); // looked for before the first reading began
  const key = backupKey(kek.key, Buffer.from(header.salt, 'base64'), name);
  const faults = { cutOff: () => cutOff(path), altered: () => altered(path) };
  const frames = openFrames(sealed, { key, binding }, faults);
  const content = new ByteReader(throughZlib(frames, createZstdDecompress({ chunkSize: READ_BYTES })));
  try {
    for (;;) {
      const record = await readRecord(content, faults.altered);
      if (record === null) return;
      yield record;
    }
  } catch (error) {
    throw error instanceof ZlibFailure ? altered(path) : error;
  } finally {
    await content.close();
    await sealed.close();
  }
}

/** Reads a backup from its first byte to its last and answers what it says it holds. Nothing is kept. */
export async function verifyBackup(
  backup: Backup,
  { progress, ...reading }: Omit<Reading, 'onBytes'> & { progress: StepProgress },
): Promise<{ header: BackupHeader; manifest: Manifest }> {
  progress.begin('verify', backup.bytes);
  let done = 0;
  const onBytes = (count: number) => progress.update((done += count));
  const told: BackupTable[] = [];
  const rowsBytes: number[] = [];
  let manifest: Manifest | null = null;
  for await (const { kind, bytes } of recordsOf(backup, { ...reading, onBytes })) {
    if (manifest) throw altered(backup.path);
    if (kind === RECORD.manifest) manifest = parseManifest(bytes);
    else if (kind === RECORD.table) {
      const table = parseTable(bytes);
      if (!table) throw altered(backup.path);
      told.push(table);
      rowsBytes.push(0);
    } else if (rowsBytes.length > 0) rowsBytes[rowsBytes.length - 1] += bytes.length;
  }
  progress.end();
  if (!manifest || !isToldBy(manifest, told, rowsBytes)) throw altered(backup.path);
  return { header: backup.header, manifest };
}

/** The tables are those that the manifest names, each with as many bytes of rows. */
const isToldBy = (
  { tables }: Manifest,
  told: readonly BackupTable[],
  rowsBytes: readonly number[],
): boolean =>
  tables.length === told.length &&
  tables.every(({ table, bytes }, i) => table === told[i].table && bytes === rowsBytes[i]);
