import type { ByteReader } from '#runtime/openpgp/byte-reader.ts';

/**
 * What lies inside a backup, one record after the other: 1 byte kind, 4 bytes length, so many bytes. A table is its
 * `table` record and as many `rows` records as it takes; where one ends and the next begins means nothing. The
 * manifest comes last.
 */
export const RECORD = { table: 1, rows: 2, manifest: 3 } as const;
export type RecordKind = (typeof RECORD)[keyof typeof RECORD];

const HEAD_BYTES = 5;
/** A row may be large, and rows are cut anywhere. */
const RECORD_BYTES_MAX = 1024 * 1024;

export interface BackupRecord {
  readonly kind: RecordKind;
  readonly bytes: Buffer;
}

export function* writeRecord(kind: RecordKind, bytes: Buffer): Generator<Buffer> {
  let at = 0;
  do {
    const piece = bytes.subarray(at, at + RECORD_BYTES_MAX);
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    head.writeUInt8(kind, 0);
    head.writeUInt32BE(piece.length, 1);
    yield head;
    yield piece;
    at += piece.length;
  } while (at < bytes.length);
}

export const writeJson = (kind: RecordKind, value: unknown): Generator<Buffer> =>
  writeRecord(kind, Buffer.from(JSON.stringify(value)));

/** The next record; null at the end. `broken` says what to throw for bytes that are none. */
export async function readRecord(reader: ByteReader, broken: () => Error): Promise<BackupRecord | null> {
  if (await reader.atEnd()) return null;
  if (!(await reader.fill(HEAD_BYTES))) throw broken();
  const head = reader.take(HEAD_BYTES);
  const kind = head.readUInt8(0);
  const length = head.readUInt32BE(1);
  if (!Object.values<number>(RECORD).includes(kind) || length > RECORD_BYTES_MAX) throw broken();
  if (!(await reader.fill(length))) throw broken();
  return { kind: kind as RecordKind, bytes: length === 0 ? Buffer.alloc(0) : reader.take(length) };
}
