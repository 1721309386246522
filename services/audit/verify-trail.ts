import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { hashOf, type StoredEntry } from './chain.ts';
import type { Head, TrailReport } from './service.ts';
import { TrailCheck } from './trail-check.ts';

const PAGE = 1_000;

/**
 * Reads the trail from its beginning, a page at a time, and checks every entry. Entries that are added meanwhile
 * stand at the end and are read as well, or not: what is behind the reader no longer changes.
 */
export const verifyTrail =
  (db: Database, vault: Vault) =>
  async ({ anchors }: { anchors: readonly Head[] }): Promise<TrailReport> => {
    const check = new TrailCheck((entry) => hashOf(vault, entry), anchors);
    let beyond = -(2n ** 63n);
    for (;;) {
      const page = await storedEntries(db, beyond);
      for (const entry of page) check.add(entry);
      if (page.length < PAGE) return check.end(await countUpTo(db, page.at(-1)?.seq ?? beyond));
      beyond = page.at(-1)!.seq;
    }
  };

const storedEntries = (db: Database, beyond: bigint) => db.rows<StoredEntry>`
  select seq, trunc(extract(epoch from at) * 1000000)::text as "atMicros", actor, action, subject, details, once,
         previous_hash as "previousHash", hash
    from audit.entries where seq > ${beyond} order by seq limit ${PAGE}`;

async function countUpTo(db: Database, seq: bigint): Promise<number> {
  const [{ stored }] = await db.rows<{ stored: bigint }>`
    select count(*) as stored from audit.entries where seq <= ${seq}`;
  return Number(stored);
}
