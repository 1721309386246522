import { bool, bytes, int8, text, timestamp, uuid } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import type { Pipeline, Tx } from '#runtime/database/database.ts';
import type { RequestKind } from '../request/kinds.ts';

/**
 * States of a message:
 *  - `relaying`: the earlier processor was asked and its answer is not recorded yet;
 *  - `done`: answered, and entered where it moved money;
 *  - `unfollowed`: the earlier processor approved it, and its card is not here yet.
 *
 * relaying → done or unfollowed, when the answer comes or stand-in takes its place; unfollowed → done, when a
 * migration has brought the card. A message that is decided here is done at once.
 */
export type State = 'relaying' | 'done' | 'unfollowed';
export type DecidedBy = 'own' | 'earlier' | 'stand_in';

/** A message as it is recorded. */
export interface MessageRecord {
  readonly key: string;
  readonly content: string;
  readonly panIndex: string;
  readonly originalKey: string | null;
  readonly kind: RequestKind;
  readonly prefix: string;
  readonly receivedMs: number;
  readonly movedMs: number;
  readonly amountMinor: number;
  readonly currency: string;
  readonly panMasked: string;
  /** Packed, without card data. */
  readonly request: Buffer;
  readonly state: State;
  readonly decidedBy: DecidedBy | null;
  readonly cardId: string | null;
  readonly accountId: string | null;
  readonly holdId: string | null;
  /** What reversals have left of the amount; null is all of it. */
  readonly leftMinor: number | null;
  readonly responseCode: string | null;
  readonly approvalCode: string | null;
  readonly ownCode: string | null;
  readonly ownReason: string | null;
  readonly draftCode: string | null;
  readonly answeredMs: number | null;
  readonly adviceDueMs: number | null;
  /** Of a relayed message, packed, without card data. */
  readonly answer: Buffer | null;
  readonly answerHasPan: boolean;
  readonly panSealed: Buffer | null;
}

const messageRow = {
  messageKey: uuid,
  contentCode: uuid,
  panIndex: uuid,
  originalKey: uuid.orNull,
  cardId: uuid.orNull,
  accountId: uuid.orNull,
  holdId: uuid.orNull,
  receivedAt: timestamp,
  movedAt: timestamp,
  answeredAt: timestamp.orNull,
  adviceDueAt: timestamp.orNull,
  amountMinor: int8,
  leftMinor: int8.orNull,
  kind: text,
  prefix: text,
  state: text,
  decidedBy: text.orNull,
  currency: text,
  responseCode: text.orNull,
  approvalCode: text.orNull,
  ownCode: text.orNull,
  ownReason: text.orNull,
  draftCode: text.orNull,
  panMasked: text,
  answerHasPan: bool,
  request: bytes,
  answer: bytes.orNull,
  panSealed: bytes.orNull,
} as const;

/** Messages on their way into the table. Its columns keep their buffers, so a lane has one and uses it again. */
export class MessageRows {
  readonly #rows = new Batch(messageRow);

  fill(records: readonly MessageRecord[]): void {
    this.#rows.clear();
    const to = this.#rows.columns;
    for (const record of records) {
      to.messageKey.uuid(record.key);
      to.contentCode.uuid(record.content);
      to.panIndex.uuid(record.panIndex);
      to.originalKey.uuidOrNull(record.originalKey);
      to.cardId.uuidOrNull(record.cardId);
      to.accountId.uuidOrNull(record.accountId);
      to.holdId.uuidOrNull(record.holdId);
      to.receivedAt.timestamp(record.receivedMs);
      to.movedAt.timestamp(record.movedMs);
      addTime(to.answeredAt, record.answeredMs);
      addTime(to.adviceDueAt, record.adviceDueMs);
      to.amountMinor.int8(record.amountMinor);
      if (record.leftMinor === null) to.leftMinor.null();
      else to.leftMinor.int8(record.leftMinor);
      to.kind.string(record.kind);
      to.prefix.string(record.prefix);
      to.state.string(record.state);
      addText(to.decidedBy, record.decidedBy);
      to.currency.string(record.currency);
      addText(to.responseCode, record.responseCode);
      addText(to.approvalCode, record.approvalCode);
      addText(to.ownCode, record.ownCode);
      addText(to.ownReason, record.ownReason);
      addText(to.draftCode, record.draftCode);
      to.panMasked.string(record.panMasked);
      to.answerHasPan.bool(record.answerHasPan);
      to.request.slice(record.request);
      addBytes(to.answer, record.answer);
      addBytes(to.panSealed, record.panSealed);
    }
  }

  /** Fails on a message that is there already: its card was locked, so it was looked for and not found. */
  insert(tx: Pipeline): void {
    tx.copy('authorisations.messages', this.#rows.columns);
  }

  /**
   * Records what became of relayed messages. Nearly all are there as `relaying`; those whose asking could not be
   * recorded come in as new rows. One that another process has finished meanwhile stays as it is.
   */
  finish(tx: Pipeline): void {
    tx.send`
      insert into authorisations.messages
        (message_key, content_code, received_at, moved_at, answered_at, advice_due_at, card_id, account_id,
         hold_id, original_key, pan_index, amount_minor, left_minor, kind, prefix, state, decided_by, currency,
         response_code, approval_code, own_code, own_reason, draft_code, pan_masked, answer_has_pan, request,
         answer, pan_sealed)
      select message_key, content_code, received_at, moved_at, answered_at, advice_due_at, card_id, account_id,
             hold_id, original_key, pan_index, amount_minor, left_minor, kind, prefix, state, decided_by,
             currency, response_code, approval_code, own_code, own_reason, draft_code, pan_masked,
             answer_has_pan, request, answer, pan_sealed
        from ${this.#rows.table('sent')}
          on conflict (message_key) do update
         set state = excluded.state, decided_by = excluded.decided_by, card_id = excluded.card_id,
             account_id = excluded.account_id, hold_id = excluded.hold_id, left_minor = excluded.left_minor,
             response_code = excluded.response_code, approval_code = excluded.approval_code,
             own_code = excluded.own_code, own_reason = excluded.own_reason, draft_code = excluded.draft_code,
             answered_at = excluded.answered_at, advice_due_at = excluded.advice_due_at,
             answer = excluded.answer, answer_has_pan = excluded.answer_has_pan,
             pan_sealed = excluded.pan_sealed
       where messages.state in ('relaying', 'unfollowed')`;
  }
}

function addText(column: ColumnBuffer, value: string | null): void {
  if (value === null) column.null();
  else column.string(value);
}

function addTime(column: ColumnBuffer, utcMs: number | null): void {
  if (utcMs === null) column.null();
  else column.timestamp(utcMs);
}

function addBytes(column: ColumnBuffer, value: Buffer | null): void {
  if (value === null) column.null();
  else column.slice(value);
}

/** A message that is recorded already, as a repeat or a message about it needs it. */
export interface KnownMessage {
  readonly key: string;
  readonly content: string;
  readonly kind: RequestKind;
  readonly state: State;
  readonly cardId: string | null;
  readonly accountId: string | null;
  readonly holdId: string | null;
  readonly amountMinor: number;
  readonly leftMinor: number | null;
  readonly currency: string;
  readonly receivedAt: Date;
  readonly responseCode: string | null;
  readonly approvalCode: string | null;
  /** Why, where it was decided here. */
  readonly reason: string | null;
  readonly answer: Buffer | null;
  readonly answerHasPan: boolean;
  /** The earlier processor was asked by more than one process, or was about to be. */
  readonly isAskedAgain: boolean;
}

/** `keys` are an array of uuids. */
export async function findMessages(tx: Tx, keys: Buffer): Promise<Map<string, KnownMessage>> {
  const rows = await tx.rows<KnownMessage>`
    select message_key as key, content_code as content, kind, state, card_id as "cardId",
           account_id as "accountId", hold_id as "holdId", amount_minor::float8 as "amountMinor",
           left_minor::float8 as "leftMinor", currency, received_at as "receivedAt",
           response_code as "responseCode", approval_code as "approvalCode",
           case when decided_by <> 'earlier' then own_reason end as reason, answer,
           answer_has_pan as "answerHasPan", asked_again as "isAskedAgain"
      from authorisations.messages where message_key = any(${keys}::uuid[])`;
  return new Map(rows.map((row) => [row.key, row]));
}

/** What a later message changes about one that is recorded. */
export interface Change {
  readonly leftMinor: number | null;
  readonly holdId: string | null;
}

export function changeMessages(tx: Pipeline, changes: ReadonlyMap<string, Change>): void {
  if (changes.size === 0) return;
  const all = [...changes.values()];
  tx.send`
    update authorisations.messages
       set left_minor = changed.left_minor, hold_id = changed.hold_id
      from unnest(${[...changes.keys()]}::uuid[], ${all.map(({ leftMinor }) => leftMinor)}::int8[],
                  ${all.map(({ holdId }) => holdId)}::uuid[]) as changed(message_key, left_minor, hold_id)
     where messages.message_key = changed.message_key`;
}

/** Goes on record before the earlier processor is asked: whoever decides in its stead then knows of it. */
export function recordAskingAgain(tx: Pipeline, keys: readonly string[]): void {
  if (keys.length > 0)
    tx.send`update authorisations.messages set asked_again = true where message_key = any(${[...keys]}::uuid[])`;
}

/** What the earlier processor answered after it had been stood in for. */
export const recordLateAnswer = (tx: Tx, key: string, code: string) => tx.run`
  update authorisations.messages set late_code = ${code}
   where message_key = ${key} and decided_by = 'stand_in' and late_code is null`;
