import { crashPoint } from '#runtime/crash-point.ts';
import type { Batch } from '#runtime/batch/batch.ts';
import { same } from '#runtime/batch/tuples.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import { insertAllNew } from '#runtime/database/all-new.ts';
import { passImportGate } from '#runtime/database/import-gate.ts';
import type { RowException, cardRow } from './service.ts';

type Cards = Batch<typeof cardRow>;

/**
 * Imports cards; the rows of one call name every card and every PAN at most once.
 *
 * Nearly every chunk of a first load brings new cards alone, so that is tried first; otherwise only the rows that
 * are not new are looked at. A row that this import wrote before (a chunk is worked again after a crash) gets its
 * first answer again.
 */
export const importCards =
  (db: Database) =>
  async ({ importNumber, rows }: { importNumber: number; rows: Cards }): Promise<RowException[]> =>
    (await importNew(db, importNumber, rows)) ? [] : importAny(db, importNumber, rows);

async function importNew(db: Database, importNumber: number, rows: Cards): Promise<boolean> {
  const { line, operation, ...columns } = rows.columns;
  if (!operation.holdsOnly('upsert')) return false;
  return insertAllNew(db, async (tx) => {
    await passImportGate(tx, 'cards', importNumber);
    await tx.copy('cards.cards', {
      ...columns,
      importNumber: same.int4(importNumber),
      importLine: line,
      importOutcome: same.text('migrated'),
    });
    crashPoint('cards:inserted');
    return (await claimedPans(tx, rows)).length === 0;
  });
}

const importAny = (db: Database, importNumber: number, rows: Cards): Promise<RowException[]> =>
  db.transaction(async (tx) => {
    await passImportGate(tx, 'cards', importNumber);
    const created = await insertNew(tx, importNumber, rows);
    crashPoint('cards:inserted');
    const isCreated = new Set(created.map(({ line }) => line));
    const claimed = (await claimedPans(tx, rows)).filter((line) => isCreated.delete(line));
    if (claimed.length > 0)
      await tx.run`
        delete from cards.cards where import_number = ${importNumber} and import_line = any(${claimed})`;
    const others = rows.pick(rows.columns.line.indexes((line) => !isCreated.has(line)));
    const exceptions = (await compareWithHere(tx, importNumber, others)).flatMap(decide);
    const update = exceptions.filter(({ outcome, replayed }) => outcome === 'updated' && !replayed);
    if (update.length > 0) {
      const lines = update.map(({ line }) => line);
      await keepReplaced(tx, importNumber, others, lines);
      await updateCards(tx, importNumber, others, lines);
      await updateStatus(tx, importNumber, others, lines);
    }
    return exceptions.map(({ line, outcome, code }) => ({ line, outcome, code }));
  });

/** Only `upsert` lines make cards, and none takes a PAN that another card had before. */
const insertNew = (tx: Tx, importNumber: number, rows: Cards) => tx.rows<{ line: number }>`
  insert into cards.cards
    (card_id, cardholder_id, account_id, pan_index, content_mac, version, daily_limit_minor, monthly_limit_minor,
     import_number, import_line, issued_on, pin_tries_left, import_outcome, external_card_id, pan_first6,
     pan_last4, pan_sealed, expiry, pan_sequence, service_code, status, status_reason, card_type, product,
     pin_format, pin_key_id, pin_sealed, embossed_name)
  select card_id, cardholder_id, account_id, pan_index, content_mac, version, daily_limit_minor,
         monthly_limit_minor, ${importNumber}, line, issued_on, pin_tries_left, 'migrated', external_card_id,
         pan_first6, pan_last4, pan_sealed, expiry, pan_sequence, service_code, status, status_reason, card_type,
         product, pin_format, pin_key_id, pin_sealed, embossed_name
    from ${rows.table('sent')}
   where operation = 'upsert'
     and not exists (select from cards.claimed_pans claim
                      where claim.pan_index = sent.pan_index and claim.card_id <> sent.card_id)
      on conflict do nothing returning import_line as line`;

/**
 * The lines whose PAN was another card's before, if only until this very moment: then the insert waited at the unique
 * index for the transaction in which that card left it, and could not see its claim yet. The next statement can.
 */
async function claimedPans(tx: Tx, rows: Cards): Promise<number[]> {
  const [{ any }] = await tx.rows<{ any: boolean }>`select exists (select from cards.claimed_pans) as any`;
  if (!any) return [];
  const claimed = await tx.rows<{ line: number }>`
    select sent.line
      from ${rows.table('sent', ['line', 'cardId', 'panIndex'])}
      join cards.claimed_pans claim on claim.pan_index = sent.pan_index
     where claim.card_id <> sent.card_id`;
  return claimed.map(({ line }) => line);
}

interface Comparison {
  line: number;
  present: boolean;
  otherOwner: boolean;
  sameContent: boolean;
  /** How the version sent compares with the one here: -1 lower, 0 the same, 1 higher. */
  newer: number;
  /** What this very line did when the import ran it before. */
  earlier: 'migrated' | 'updated' | null;
}

const compareWithHere = (tx: Tx, importNumber: number, rows: Cards) => tx.rows<Comparison>`
  select sent.line,
         here.card_id is not null as present,
         coalesce(here.content_mac = sent.content_mac, false) as "sameContent",
         coalesce(sign(sent.version - here.version)::int4, 1) as newer,
         coalesce(owner.card_id <> sent.card_id, false) or coalesce(claim.card_id <> sent.card_id, false)
           as "otherOwner",
         case when here.import_number = ${importNumber} and here.import_line = sent.line then here.import_outcome
              else (replaced.image).import_outcome end as earlier
    from ${rows.table('sent')}
    left join cards.cards here on here.card_id = sent.card_id
    left join cards.cards owner on owner.pan_index = sent.pan_index
    left join cards.claimed_pans claim on claim.pan_index = sent.pan_index
    left join cards.replaced_cards replaced
           on replaced.card_id = sent.card_id
          and (replaced.image).import_number = ${importNumber} and (replaced.image).import_line = sent.line
   order by sent.line`;

type Decision = RowException & { replayed: boolean };

/** The contract's order: pan_conflict, stale_version, version_conflict, unknown_card. */
function decide(row: Comparison): Decision[] {
  const answer = (outcome: RowException['outcome'], code: string | null = null, replayed = false) => [
    { line: row.line, outcome, code, replayed },
  ];
  if (row.earlier === 'migrated') return [];
  if (row.earlier === 'updated') return answer('updated', null, true);
  if (row.otherOwner) return answer('rejected', 'pan_conflict');
  if (!row.present) return answer('rejected', 'unknown_card');
  if (row.newer < 0) return answer('rejected', 'stale_version');
  if (row.newer > 0) return answer('updated');
  return row.sameContent ? answer('unchanged') : answer('rejected', 'version_conflict');
}

async function keepReplaced(tx: Tx, importNumber: number, rows: Cards, lines: number[]): Promise<void> {
  await tx.run`
    insert into cards.replaced_cards (card_id, replaced_by_import, replaced_by_line, image)
    select here.card_id, ${importNumber}, sent.line, here
      from ${rows.table('sent')} join cards.cards here on here.card_id = sent.card_id
     where sent.line = any(${lines})`;
  // The PAN that a card leaves, and the one that a status line states, stay the card's own.
  await tx.run`
    insert into cards.claimed_pans (pan_index, card_id, import_number, import_line)
    select case when sent.operation = 'upsert' then here.pan_index else sent.pan_index end, here.card_id,
           ${importNumber}, sent.line
      from ${rows.table('sent')} join cards.cards here on here.card_id = sent.card_id
     where sent.line = any(${lines}) and here.pan_index <> sent.pan_index
        on conflict do nothing`;
}

const updateCards = (tx: Tx, importNumber: number, rows: Cards, lines: number[]) => tx.run`
  update cards.cards
     set cardholder_id = sent.cardholder_id, account_id = sent.account_id, pan_index = sent.pan_index,
         content_mac = sent.content_mac, version = sent.version, daily_limit_minor = sent.daily_limit_minor,
         monthly_limit_minor = sent.monthly_limit_minor, import_number = ${importNumber},
         import_line = sent.line, issued_on = sent.issued_on, pin_tries_left = sent.pin_tries_left,
         import_outcome = 'updated', pan_first6 = sent.pan_first6, pan_last4 = sent.pan_last4,
         pan_sealed = sent.pan_sealed, expiry = sent.expiry, pan_sequence = sent.pan_sequence,
         service_code = sent.service_code, status = sent.status, status_reason = sent.status_reason,
         card_type = sent.card_type, product = sent.product, pin_format = sent.pin_format,
         pin_key_id = sent.pin_key_id, pin_sealed = sent.pin_sealed, embossed_name = sent.embossed_name
    from ${rows.table('sent')}
   where cards.card_id = sent.card_id and sent.operation = 'upsert' and sent.line = any(${lines})`;

/** `status` and `close` change the status alone, whatever else the line says. */
const updateStatus = (tx: Tx, importNumber: number, rows: Cards, lines: number[]) => tx.run`
  update cards.cards
     set status = case when sent.operation = 'close' then 'closed' else sent.status end,
         status_reason = sent.status_reason, version = sent.version, content_mac = sent.content_mac,
         import_number = ${importNumber}, import_line = sent.line, import_outcome = 'updated'
    from ${rows.table('sent')}
   where cards.card_id = sent.card_id and sent.operation <> 'upsert' and sent.line = any(${lines})`;
