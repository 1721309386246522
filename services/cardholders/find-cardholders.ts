import type { Batch } from '#runtime/batch/batch.ts';
import type { Database } from '#runtime/database/database.ts';
import type { cardholderIdRow, FoundCardholder } from './service.ts';

/** Many lines may name one cardholder. */
export const findCardholders = (db: Database) => (rows: Batch<typeof cardholderIdRow>) =>
  db.rows<FoundCardholder>`
    select sent.line, here.external_cardholder_id as "externalCardholderId", here.given_names as "givenNames",
           here.family_names as "familyNames", here.document_type as "documentType",
           here.document_number as "documentNumber", here.birth_date as "birthDate", here.email, here.phone,
           here.address_line as "addressLine", here.city, here.country
      from ${rows.table('sent')} join cardholders.cardholders here using (cardholder_id)`;
