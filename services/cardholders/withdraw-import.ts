import type { Database } from '#runtime/database/database.ts';
import { shutImportGate } from '#runtime/database/import-gate.ts';

export const withdrawImport =
  (db: Database) =>
  ({ importNumber }: { importNumber: number }): Promise<{ cardholders: number }> =>
    db.transaction(async (tx) => {
      await shutImportGate(tx, 'cardholders', importNumber);
      const cardholders = await tx.run`
        delete from cardholders.cardholders where import_number = ${importNumber}`;
      await tx.run`
        insert into cardholders.cardholders
        select (image).* from cardholders.replaced_cardholders where replaced_by_import = ${importNumber}`;
      await tx.run`
        delete from cardholders.replaced_cardholders where replaced_by_import = ${importNumber}`;
      return { cardholders };
    });
