import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { cardIdRow, PinValue } from './service.ts';

interface SealedPin extends Omit<PinValue, 'value'> {
  cardId: string;
  pinSealed: Buffer | null;
}

/**
 * PIN values as they were handed over, for the file that hands them back. What they mean nobody here can read; they
 * are opened for the moment in which they are sealed into that file. Cards without one are left out.
 */
export const openPinValues =
  (db: Database, vault: Vault) =>
  async (rows: Batch<typeof cardIdRow>): Promise<PinValue[]> => {
    const sealed = await db.rows<SealedPin>`
      select sent.line, cards.card_id as "cardId", cards.pin_format as format, cards.pin_key_id as "keyId",
             cards.pin_tries_left as "triesLeft", cards.pin_sealed as "pinSealed"
        from ${rows.table('sent')} join cards.cards using (card_id)
       where cards.pin_sealed is not null or cards.pin_tries_left is not null`;
    return sealed.map(({ line, cardId, format, keyId, triesLeft, pinSealed }) => {
      const place = placeOfCard(uuidBytes(cardId), 0);
      const value = pinSealed && vault.open('pin', pinSealed, place).toString('latin1');
      return { line, format, value, keyId, triesLeft };
    });
  };
