import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { openPan } from './open-cards.ts';

const FIRST_DIGITS = 6;

/** Cards of a BIN range that no file has ever named, issued at or after a moment. */
export const countIssuedHere =
  (db: Database, vault: Vault) =>
  async ({ prefix, since }: { prefix: string; since: Date | null }): Promise<{ cards: number }> => {
    const rows = await db.rows<{ cardId: string; panSealed: Buffer }>`
      select card_id as "cardId", pan_sealed as "panSealed"
        from cards.cards
       where import_number = 0 and pan_first6 = ${prefix.slice(0, FIRST_DIGITS)}
         and issued_at >= coalesce(${since}::timestamptz, '-infinity')`;
    const isOfRange = ({ cardId, panSealed }: (typeof rows)[number]) =>
      prefix.length <= FIRST_DIGITS || openPan(vault, cardId, panSealed).reveal().startsWith(prefix);
    return { cards: rows.filter(isOfRange).length };
  };
