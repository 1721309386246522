import type { Vault } from '#runtime/vault/vault.ts';
import type { Head } from './service.ts';

/** An entry as the database keeps it: what its hash is computed over, and the hash. */
export interface StoredEntry {
  readonly seq: bigint;
  /** Microseconds since 1970-01-01 UTC, as whole digits: no part of the time may be altered unseen. */
  readonly atMicros: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: string;
  readonly once: string | null;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** What the first entry follows. */
export const START: Head = { seq: 0n, hash: '00'.repeat(32) };

const FORM = 'relevo audit entry 1';
const ABSENT = 0xffff_ffff;

/**
 * The bytes of an entry: its form, then each field as its length in bytes (4, big-endian) and its UTF-8, the hash of
 * the entry before it last. Lengths come first, so no text can be shifted from one field into the next; an absent
 * `once` has the length 0xffffffff.
 */
export function entryBytes(entry: Omit<StoredEntry, 'hash'>): Buffer {
  const fields: readonly (string | Buffer | null)[] = [
    FORM,
    String(entry.seq),
    entry.atMicros,
    entry.actor,
    entry.action,
    entry.subject,
    entry.details,
    entry.once,
    entry.previousHash,
  ];
  const pieces: Buffer[] = [];
  for (const field of fields) {
    const length = Buffer.allocUnsafe(4);
    const bytes = typeof field === 'string' ? Buffer.from(field) : field;
    length.writeUInt32BE(bytes?.length ?? ABSENT);
    pieces.push(length);
    if (bytes) pieces.push(bytes);
  }
  return Buffer.concat(pieces);
}

export const hashOf = (vault: Vault, entry: Omit<StoredEntry, 'hash'>): Buffer =>
  vault.authenticate('audit', entryBytes(entry));
