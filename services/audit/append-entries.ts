import { int8, bytes, text, timestamp } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { hashOf, START } from './chain.ts';
import { checkEntry, detailsText } from './check-entry.ts';
import type { Head, NewEntry } from './service.ts';

const entryRow = {
  seq: int8,
  at: timestamp,
  actor: text,
  action: text,
  subject: text,
  details: text,
  once: text.orNull,
  previousHash: bytes,
  hash: bytes,
} as const;

/**
 * Adds entries at the end of the trail. Processes take turns, so that each entry follows the one before it and no
 * number is left out: a number is drawn under the lock and goes with the transaction when that is rolled back.
 */
export const appendEntries =
  (db: Database, vault: Vault) =>
  async (entries: readonly NewEntry[]): Promise<Head> => {
    for (const entry of entries) checkEntry(entry);
    return db.transaction(async (tx) => {
      await takeTurn(tx);
      const { at, ...head } = await endOfTrail(tx);
      const fresh = withoutRepeats(entries, await writtenBefore(tx, entries));
      return fresh.length === 0 ? head : write(tx, vault, fresh, head, at);
    });
  };

const takeTurn = (tx: Tx) => tx.run`select pg_advisory_xact_lock(hashtext('relevo audit trail'))`;

/**
 * The last entry and the time of the next ones. The clock is the database's, one for all processes; where it was set
 * back the trail stands still rather than run backwards. Read after the turn has come: what was there before is old.
 */
async function endOfTrail(tx: Tx): Promise<Head & { at: Date }> {
  const [{ seq, hash, at }] = await tx.rows<{ seq: bigint | null; hash: Buffer | null; at: Date }>`
    select last.seq, last.hash, date_trunc('milliseconds', greatest(clock_timestamp(), last.at)) as at
      from (select) as here
      left join (select seq, hash, at from audit.entries order by seq desc limit 1) as last on true`;
  return seq === null || hash === null ? { ...START, at } : { seq, hash: hash.toString('hex'), at };
}

async function writtenBefore(tx: Tx, entries: readonly NewEntry[]): Promise<Set<string>> {
  const names = entries.flatMap(({ once }) => once ?? []);
  if (names.length === 0) return new Set();
  const rows = await tx.rows<{ once: string }>`select once from audit.entries where once = any(${names})`;
  return new Set(rows.map(({ once }) => once));
}

const withoutRepeats = (entries: readonly NewEntry[], known: Set<string>): NewEntry[] =>
  entries.filter(({ once }) => once === undefined || (!known.has(once) && known.add(once)));

async function write(
  tx: Tx,
  vault: Vault,
  entries: readonly NewEntry[],
  head: Head,
  at: Date,
): Promise<Head> {
  const rows = new Batch(entryRow);
  const atMicros = `${at.getTime()}000`;
  let { seq } = head;
  let hash: Buffer = Buffer.from(head.hash, 'hex');
  for (const { actor, action, subject, details = {}, once = null } of entries) {
    const entry = {
      seq: ++seq,
      atMicros,
      actor,
      action,
      subject,
      details: detailsText(details),
      once,
      previousHash: hash,
    };
    hash = hashOf(vault, entry);
    const to = rows.columns;
    to.seq.int8(Number(seq));
    to.at.timestamp(at.getTime());
    for (const name of ['actor', 'action', 'subject', 'details'] as const) to[name].string(entry[name]);
    if (once === null) to.once.null();
    else to.once.string(once);
    to.previousHash.slice(entry.previousHash);
    to.hash.slice(hash);
  }
  await tx.run`
    insert into audit.entries (seq, at, actor, action, subject, details, once, previous_hash, hash)
    select seq, at, actor, action, subject, details, once, previous_hash, hash from ${rows.table('sent')}`;
  return { seq, hash: hash.toString('hex') };
}
