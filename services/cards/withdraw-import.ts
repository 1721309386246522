import type { Database, Tx } from '#runtime/database/database.ts';
import { shutImportGate } from '#runtime/database/import-gate.ts';

export const withdrawImport =
  (db: Database) =>
  ({ importNumber }: { importNumber: number }): Promise<{ cards: number; tokens: number }> =>
    db.transaction(async (tx) => {
      await shutImportGate(tx, 'cards', importNumber);
      const tokens = await withdrawTokens(tx, importNumber);
      const cards = await withdrawCards(tx, importNumber);
      await tx.run`delete from cards.claimed_pans where import_number = ${importNumber}`;
      return { cards, tokens };
    });

/** A row may have been replaced several times by one import: the first image is how it was before. */
async function withdrawCards(tx: Tx, importNumber: number): Promise<number> {
  const withdrawn = await tx.run`delete from cards.cards where import_number = ${importNumber}`;
  await tx.run`
    insert into cards.cards
    select (image).*
      from (select distinct on (card_id) image
              from cards.replaced_cards
             where replaced_by_import = ${importNumber}
             order by card_id, replaced_by_line) first
     where (image).import_number <> ${importNumber}`;
  await tx.run`delete from cards.replaced_cards where replaced_by_import = ${importNumber}`;
  return withdrawn;
}

async function withdrawTokens(tx: Tx, importNumber: number): Promise<number> {
  const withdrawn = await tx.run`delete from cards.tokens where import_number = ${importNumber}`;
  await tx.run`
    insert into cards.tokens
    select (image).*
      from (select distinct on (token_id) image
              from cards.replaced_tokens
             where replaced_by_import = ${importNumber}
             order by token_id, replaced_by_line) first
     where (image).import_number <> ${importNumber}`;
  await tx.run`delete from cards.replaced_tokens where replaced_by_import = ${importNumber}`;
  return withdrawn;
}
