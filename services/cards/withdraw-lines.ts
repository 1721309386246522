import type { Database } from '#runtime/database/database.ts';

/**
 * Takes back what single lines of an import did to cards, because the line cannot be finished elsewhere and will
 * lie among the dead letters: a dead line leaves no half-loaded card. Lines that did nothing are passed over.
 */
export const withdrawLines =
  (db: Database) =>
  ({ importNumber, lines }: { importNumber: number; lines: number[] }): Promise<{ cards: number }> =>
    db.transaction(async (tx) => {
      const cards = await tx.run`
        delete from cards.cards where import_number = ${importNumber} and import_line = any(${lines})`;
      await tx.run`
        with returned as (
          delete from cards.replaced_cards
           where replaced_by_import = ${importNumber} and replaced_by_line = any(${lines})
          returning image
        )
        insert into cards.cards
        select (image).* from returned
         where (image).import_number <> ${importNumber} or (image).import_line <> all(${lines})`;
      await tx.run`
        delete from cards.claimed_pans where import_number = ${importNumber} and import_line = any(${lines})`;
      return { cards };
    });
