import type { Database } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import type { BooksOfRange, LastBooks } from './service.ts';
import { findActive } from './store.ts';

/** What the files of a BIN range left behind. Mock files leave nothing, and neither do refused or cancelled ones. */
export const lastBooks =
  (db: Database) =>
  async ({ prefix }: { prefix: string }): Promise<LastBooks> => {
    const ofRange = sql`
      kind in ('full', 'delta') and state not in ('refused', 'cancelling', 'cancelled')
       and exists (select from unnest(string_to_array(bin_ranges, ';')) as bin
                    where starts_with(bin, ${prefix}) or starts_with(${prefix}, bin))`;
    const [last] = await db.rows<BooksOfRange>`
      select import_number as "importNumber", file_id as "fileId", state, reconciled,
             completed_at as "completedAt", signer
        from migrations.migrations where ${ofRange} order by import_number desc limit 1`;
    const [{ deadLetters }] = await db.rows<{ deadLetters: number }>`
      select count(*)::int4 as "deadLetters" from migrations.dead_letters
       where import_number in (select import_number from migrations.migrations where ${ofRange})`;
    return { last: last ?? null, deadLetters, underWay: (await findActive(db))?.importNumber ?? null };
  };
