import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { Pan } from '#runtime/vault/pan.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { cardIdRow, OpenedCard } from './service.ts';

interface SealedCard {
  line: number;
  cardId: string;
  externalCardId: string;
  panSealed: Buffer;
  expiry: string;
}

/** The one way to card numbers outside this service: for messages and files that must carry them. */
export const openCards =
  (db: Database, vault: Vault) =>
  async (rows: Batch<typeof cardIdRow>): Promise<OpenedCard[]> => {
    const sealed = await db.rows<SealedCard>`
      select sent.line, cards.card_id as "cardId", cards.external_card_id as "externalCardId",
             cards.pan_sealed as "panSealed", cards.expiry
        from ${rows.table('sent')} join cards.cards using (card_id)`;
    return sealed.map(({ line, cardId, externalCardId, panSealed, expiry }) => ({
      line,
      externalCardId,
      pan: openPan(vault, cardId, panSealed),
      expiry,
    }));
  };

export function openPan(vault: Vault, cardId: string, panSealed: Buffer): Pan {
  const place = placeOfCard(uuidBytes(cardId), 0);
  return new Pan(vault.open('pan', panSealed, place).toString('latin1'));
}
