import type { Batch } from '#runtime/batch/batch.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import type { RowException, tokenRow } from './service.ts';

type Tokens = Batch<typeof tokenRow>;

/** Imports wallet tokens; the rows of one call name every token at most once. */
export const importTokens =
  (db: Database) =>
  ({ importNumber, rows }: { importNumber: number; rows: Tokens }): Promise<RowException[]> =>
    db.transaction(async (tx) => {
      await passImportGate(tx, 'cards', importNumber);
      if ((await insertNew(tx, importNumber, rows)) === rows.rows) return [];
      await keepReplaced(tx, importNumber, rows);
      const updated = new Set((await update(tx, importNumber, rows)).map(({ line }) => line));
      const earlier = await whatWasHere(tx, importNumber, rows);
      return earlier.map(({ line, earlier }) => ({
        line,
        outcome: updated.has(line) || earlier === 'updated' ? 'updated' : 'unchanged',
        code: null,
      }));
    });

const insertNew = (tx: Tx, importNumber: number, rows: Tokens) => tx.run`
  insert into cards.tokens
    (token_id, card_id, content_mac, import_number, import_line, import_outcome, external_token_ref, requestor,
     device_id, status, expiry)
  select token_id, card_id, content_mac, ${importNumber}, line, 'migrated', external_token_ref, requestor,
         device_id, status, expiry
    from ${rows.table('sent')}
      on conflict do nothing`;

const keepReplaced = (tx: Tx, importNumber: number, rows: Tokens) => tx.run`
  insert into cards.replaced_tokens (token_id, replaced_by_import, replaced_by_line, image)
  select here.token_id, ${importNumber}, sent.line, here
    from ${rows.table('sent')} join cards.tokens here on here.token_id = sent.token_id
   where here.content_mac <> sent.content_mac`;

const update = (tx: Tx, importNumber: number, rows: Tokens) => tx.rows<{ line: number }>`
  update cards.tokens here
     set card_id = sent.card_id, content_mac = sent.content_mac, import_number = ${importNumber},
         import_line = sent.line, import_outcome = 'updated', requestor = sent.requestor,
         device_id = sent.device_id, status = sent.status, expiry = sent.expiry
    from ${rows.table('sent')}
   where here.token_id = sent.token_id and here.content_mac <> sent.content_mac
  returning sent.line`;

/** The rows that this import did not create, with what this very line did before, if it was worked before. */
const whatWasHere = (tx: Tx, importNumber: number, rows: Tokens) => tx.rows<{
  line: number;
  earlier: string | null;
}>`
  select sent.line,
         case when here.import_number = ${importNumber} and here.import_line = sent.line
              then here.import_outcome end as earlier
    from ${rows.table('sent')} join cards.tokens here on here.token_id = sent.token_id
   where (here.import_number, here.import_line, here.import_outcome)
         is distinct from (${importNumber}, sent.line, 'migrated')
   order by sent.line`;
