import type { Database } from '#runtime/database/database.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { placeOfCard } from '#runtime/vault/place.ts';

/**
 * Seals card numbers and PIN values anew that do not lie under the current keys, a bounded number a call.
 * A row that another call has changed meanwhile is left to the next one.
 */
export const resealCards =
  (db: Database, vault: Vault) =>
  ({ limit }: { limit: number }): Promise<{ resealed: number }> =>
    db.transaction(async (tx) => {
      const pan = vault.currentVersion('pan');
      const pin = vault.currentVersion('pin');
      const rows = await tx.rows<{ cardId: string; panSealed: Buffer; pinSealed: Buffer | null }>`
        select card_id as "cardId", pan_sealed as "panSealed", pin_sealed as "pinSealed"
          from cards.cards
         where substring(pan_sealed for 2) <> ${versionBytes(pan)}
            or substring(pin_sealed for 2) <> ${versionBytes(pin)}
         limit ${limit}
           for update skip locked`;
      if (rows.length === 0) return { resealed: 0 };
      const again = (purpose: 'pan' | 'pin', sealed: Buffer, cardId: string) => {
        const place = placeOfCard(uuidBytes(cardId), 0);
        return vault.seal(purpose, vault.open(purpose, sealed, place), place);
      };
      await tx.run`
        update cards.cards
           set pan_sealed = anew.pan_sealed, pin_sealed = anew.pin_sealed
          from unnest(${rows.map((row) => row.cardId)}::uuid[],
                      ${rows.map((row) => again('pan', row.panSealed, row.cardId))}::bytea[],
                      ${rows.map((row) => row.pinSealed && again('pin', row.pinSealed, row.cardId))}::bytea[])
            as anew(card_id, pan_sealed, pin_sealed)
         where cards.card_id = anew.card_id`;
      return { resealed: rows.length };
    });

function versionBytes(version: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(version);
  return bytes;
}
