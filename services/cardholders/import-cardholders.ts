import type { Batch } from '#runtime/batch/batch.ts';
import { same } from '#runtime/batch/tuples.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { insertAllNew } from '#runtime/database/all-new.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import type { cardholderRow } from './service.ts';

type Cardholders = Batch<typeof cardholderRow>;

/**
 * Imports cardholders. One may be stated by several rows of a call as long as they say the same. That all are new
 * is tried first; otherwise only those that are not are looked at.
 */
export const importCardholders =
  (db: Database) =>
  async ({ importNumber, rows }: { importNumber: number; rows: Cardholders }) =>
    (await importNew(db, importNumber, rows))
      ? { created: rows.rows, updated: 0 }
      : importAny(db, importNumber, rows);

const importNew = (db: Database, importNumber: number, rows: Cardholders): Promise<boolean> =>
  insertAllNew(db, async (tx) => {
    await passImportGate(tx, 'cardholders', importNumber);
    const { line, ...columns } = rows.columns;
    await tx.copy('cardholders.cardholders', {
      ...columns,
      importNumber: same.int4(importNumber),
      importLine: line,
    });
    return true;
  });

const importAny = (db: Database, importNumber: number, rows: Cardholders) =>
  db.transaction(async (tx) => {
    await passImportGate(tx, 'cardholders', importNumber);
    const created = await insertNew(tx, importNumber, rows);
    const isCreated = new Set(created.map(({ line }) => line));
    const here = rows.pick(rows.columns.line.indexes((line) => !isCreated.has(line)));
    await keepReplaced(tx, importNumber, here);
    return { created: created.length, updated: await update(tx, importNumber, here) };
  });

/** In id order, so that two chunks which share cardholders cannot wait for each other. */
const insertNew = (tx: Tx, importNumber: number, rows: Cardholders) => tx.rows<{ line: number }>`
  insert into cardholders.cardholders
    (cardholder_id, content_mac, import_number, import_line, birth_date, external_cardholder_id, given_names,
     family_names, document_type, document_number, email, phone, address_line, city, country)
  select cardholder_id, content_mac, ${importNumber}, line, birth_date, external_cardholder_id, given_names,
         family_names, document_type, document_number, email, phone, address_line, city, country
    from ${rows.table('sent')}
   order by cardholder_id, line
      on conflict do nothing returning import_line as line`;

/** The first image that an import replaces is the way back; later ones of the same import are its own. */
const keepReplaced = (tx: Tx, importNumber: number, rows: Cardholders) => tx.run`
  insert into cardholders.replaced_cardholders (cardholder_id, replaced_by_import, image)
  select here.cardholder_id, ${importNumber}, here
    from ${rows.table('sent')} join cardholders.cardholders here using (cardholder_id)
   where here.content_mac <> sent.content_mac
     and here.import_number <> ${importNumber}
      on conflict do nothing`;

const update = (tx: Tx, importNumber: number, rows: Cardholders) => tx.run`
  update cardholders.cardholders here
     set content_mac = sent.content_mac, import_number = ${importNumber}, import_line = sent.line, birth_date = sent.birth_date,
         given_names = sent.given_names, family_names = sent.family_names, document_type = sent.document_type,
         document_number = sent.document_number, email = sent.email, phone = sent.phone,
         address_line = sent.address_line, city = sent.city, country = sent.country
    from ${rows.table('sent')}
   where here.cardholder_id = sent.cardholder_id
     and here.content_mac <> sent.content_mac`;
