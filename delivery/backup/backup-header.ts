import { createHash } from 'node:crypto';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import type { ByteReader } from '#runtime/openpgp/byte-reader.ts';
import { Refusal } from '#runtime/refusal.ts';
import { cutOff, notABackup } from './refusals.ts';

const FORMAT = 1;
const MAGIC = 'relevo backup ';
const LENGTH_BYTES = 4;
const HEADER_BYTES_MAX = 64 * 1024;

const fingerprint = Type.String({ pattern: '^[0-9a-f]{32}$' });
const name = Type.String({ pattern: '^[a-z0-9_-]{1,63}$' });

const headerShape = Type.Object({
  /** Names this backup, in audit trails and between the steps of a restore. */
  id: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  cell: Type.String({ pattern: '^[a-z0-9-]{2,24}/[a-z]{4,10}$' }),
  madeAt: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T[\\d:.]{8,12}Z$' }),
  /** The schema changes of the release that made it, in the order in which they were made. */
  changes: Type.Array(Type.Object({ schema: name, change: name }), { maxItems: 500 }),
  /** Fingerprints of the key-encryption keys that its data keys are wrapped by. */
  keks: Type.Array(fingerprint, { minItems: 1, maxItems: 500 }),
  /** The one that the backup itself is sealed under. */
  sealedBy: fingerprint,
  /** Base64, 32 bytes. */
  salt: Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' }),
});

/** What anybody may read of a backup. No frame of it opens under another header. */
export type BackupHeader = Static<typeof headerShape>;

/** `relevo backup 1`, the length of what follows, a JSON document. */
export function headerBytes(header: BackupHeader): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  return Buffer.concat([Buffer.from(`${MAGIC}${FORMAT}\n`), length, text]);
}

export const bindingOf = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** Reads the header and leaves the reader at the first frame. */
export async function readHeader(
  reader: ByteReader,
  path: string,
): Promise<{ header: BackupHeader; binding: Buffer }> {
  const first = `${MAGIC}${FORMAT}\n`;
  if (!(await reader.fill(first.length))) throw notABackup(path);
  const magic = Buffer.from(reader.take(first.length));
  if (!magic.equals(Buffer.from(first))) throw otherFile(magic, path);
  if (!(await reader.fill(LENGTH_BYTES))) throw cutOff(path);
  const length = Buffer.from(reader.take(LENGTH_BYTES));
  const bytes = length.readUInt32BE();
  if (bytes > HEADER_BYTES_MAX) throw notABackup(path);
  if (!(await reader.fill(bytes))) throw cutOff(path);
  const text = Buffer.from(reader.take(bytes));
  return { header: parse(text, path), binding: bindingOf(Buffer.concat([magic, length, text])) };
}

function otherFile(magic: Buffer, path: string): Refusal {
  if (!/^relevo backup \d$/.test(magic.toString('latin1').trimEnd())) return notABackup(path);
  return new Refusal(
    'backup_of_later_release',
    `The backup ${path} has a format that this release does not know.`,
    {
      advice: 'Restore it with the release that made it, or with a later one.',
    },
  );
}

function parse(text: Buffer, path: string): BackupHeader {
  let document: unknown;
  try {
    document = JSON.parse(text.toString('utf8'));
  } catch {
    throw notABackup(path);
  }
  if (!Value.Check(headerShape, document)) throw notABackup(path);
  return document;
}
