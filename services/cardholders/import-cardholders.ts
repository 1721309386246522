import type { Batch } from '#runtime/batch/batch.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import type { cardholderRow } from './service.ts';

type Cardholders = Batch<typeof cardholderRow>;

/** Imports cardholders. A cardholder may be stated by several rows of one call as long as they say the same. */
export const importCardholders =
  (db: Database) =>
  ({ importNumber, rows }: { importNumber: number; rows: Cardholders }) =>
    db.transaction(async (tx) => {
      await passImportGate(tx, 'cardholders', importNumber);
      const created = new Set(await insertNew(tx, importNumber, rows));
      if (created.size === rows.rows) return { created: created.size, updated: 0 };
      const here = rows.columns.line.int4s().filter((line) => !created.has(line));
      await keepReplaced(tx, importNumber, rows, here);
      return { created: created.size, updated: await update(tx, importNumber, rows, here) };
    });

/** Answers the lines whose cardholder was not here yet. */
async function insertNew(tx: Tx, importNumber: number, rows: Cardholders): Promise<number[]> {
  const [{ lines }] = await tx.rows<{ lines: number[] | null }>`
    with created as (
      insert into cardholders.cardholders
        (cardholder_id, content_mac, import_number, import_line, birth_date, external_cardholder_id, given_names,
         family_names, document_type, document_number, email, phone, address_line, city, country)
      select cardholder_id, content_mac, ${importNumber}, line, birth_date, external_cardholder_id, given_names,
             family_names, document_type, document_number, email, phone, address_line, city, country
        from ${rows.table('sent')}
       order by cardholder_id, line
          on conflict do nothing
      returning import_line
    )
    select array_agg(import_line) as lines from created`;
  return lines ?? [];
}

/** The first image that an import replaces is the way back; later ones of the same import are its own. */
const keepReplaced = (tx: Tx, importNumber: number, rows: Cardholders, lines: number[]) => tx.run`
  insert into cardholders.replaced_cardholders (cardholder_id, replaced_by_import, image)
  select here.cardholder_id, ${importNumber}, here
    from ${rows.table('sent')} join cardholders.cardholders here using (cardholder_id)
   where sent.line = any(${lines}) and here.content_mac <> sent.content_mac
     and here.import_number <> ${importNumber}
      on conflict do nothing`;

const update = (tx: Tx, importNumber: number, rows: Cardholders, lines: number[]) => tx.run`
  update cardholders.cardholders here
     set content_mac = sent.content_mac, import_number = ${importNumber}, import_line = sent.line, birth_date = sent.birth_date,
         given_names = sent.given_names, family_names = sent.family_names, document_type = sent.document_type,
         document_number = sent.document_number, email = sent.email, phone = sent.phone,
         address_line = sent.address_line, city = sent.city, country = sent.country
    from ${rows.table('sent')}
   where sent.line = any(${lines}) and here.cardholder_id = sent.cardholder_id
     and here.content_mac <> sent.content_mac`;
