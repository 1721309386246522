import type { Tx } from '#runtime/database/database.ts';
import { type Fragment, sql } from '#runtime/database/sql.ts';
import type { RequestKind } from '../request/kinds.ts';
import { uuidArray } from '#runtime/batch/uuid-array.ts';

/** Ages go by the database's clock: a process whose own is ahead would give up what others have in hand. */
const agoMs = (ms: number): Fragment => sql`now() - make_interval(secs => ${ms / 1000}::float8)`;

/** A message on record, as far as it is needed to make the message again. */
export interface KeptMessage {
  readonly key: string;
  readonly panIndex: string;
  readonly prefix: string;
  readonly kind: RequestKind;
  readonly receivedAt: Date;
  readonly cardId: string | null;
  readonly panSealed: Buffer | null;
  readonly request: Buffer;
}

/** A message that the earlier processor approved for a card that was not here. */
export interface UnfollowedMessage extends KeptMessage {
  readonly responseCode: string;
  readonly approvalCode: string | null;
  readonly answer: Buffer | null;
  readonly answerHasPan: boolean;
  readonly ownCode: string | null;
  readonly ownReason: string | null;
  readonly draftCode: string | null;
}

/** The cards that messages wait for, from a code on; there may be very many, so they are gone through in pages. */
export const cardsWaitedFor = (tx: Tx, after: string, limit: number) => tx.rows<{ panIndex: string }>`
  select distinct pan_index as "panIndex" from authorisations.messages
   where state = 'unfollowed' and pan_index > ${after}::uuid
   order by pan_index limit ${limit}`;

/** The messages of these cards that are not followed yet, in the order in which they came. */
export const unfollowedOf = (
  tx: Tx,
  panIndexes: readonly string[],
  limit: number,
) => tx.rows<UnfollowedMessage>`
  select message_key as key, pan_index as "panIndex", prefix, kind, received_at as "receivedAt",
         card_id as "cardId", pan_sealed as "panSealed", request, response_code as "responseCode",
         approval_code as "approvalCode", answer, answer_has_pan as "answerHasPan", own_code as "ownCode",
         own_reason as "ownReason", draft_code as "draftCode"
    from authorisations.messages
   where state = 'unfollowed' and pan_index = any(${uuidArray(panIndexes)}::uuid[])
   order by received_at, message_key limit ${limit}`;

/**
 * Messages that the earlier processor was asked about and whose answer was never recorded. That it will be asked again
 * goes on record with it.
 */
export const askAgainAboutLeft = (tx: Tx, olderThanMs: number, limit: number) => tx.rows<KeptMessage>`
  with found as (
    select message_key as key from authorisations.messages
     where state = 'relaying' and received_at < ${agoMs(olderThanMs)} order by received_at limit ${limit}
  )
  update authorisations.messages set asked_again = true
    from found where message_key = key and state = 'relaying'
  returning key, pan_index as "panIndex", prefix, kind, received_at as "receivedAt", card_id as "cardId",
            pan_sealed as "panSealed", request`;

/**
 * Nobody could be asked for so long that the sender has given up long ago: recorded as not decided, and the earlier
 * processor is told that it has not happened, for it may have approved. Advices and reversals tell what has happened:
 * they wait until it can be asked again.
 */
export const giveUpRelaying = (tx: Tx, olderThanMs: number) => tx.run`
  update authorisations.messages
     set state = 'done', decided_by = 'stand_in', response_code = '91', advice_due_at = now()
   where state = 'relaying' and kind in ('authorisation', 'financial') and received_at < ${agoMs(olderThanMs)}`;

/** An advice that the earlier processor has not acknowledged. */
export interface DueAdvice extends KeptMessage {
  readonly responseCode: string;
  readonly approvalCode: string | null;
  readonly attempts: number;
}

/** No advice is put off for longer than this; what is due later was put down by a clock that was ahead. */
export const PUT_OFF_MS_MAX = 60_000;

/** In the order in which they became due, but none of a card one of whose advices was put off. */
export const dueAdvices = (
  tx: Tx,
  now: Date,
  prefixes: readonly string[],
  limit: number,
) => tx.rows<DueAdvice>`
  select message_key as key, pan_index as "panIndex", prefix, kind, received_at as "receivedAt",
         card_id as "cardId", pan_sealed as "panSealed", request, response_code as "responseCode",
         approval_code as "approvalCode", advice_attempts as attempts
    from authorisations.messages
   where advice_due_at is not null and prefix = any(${[...prefixes]})
     and not exists (
       select from authorisations.messages same
        where same.pan_index = messages.pan_index and same.advice_due_at is not null
          and same.advice_put_off > ${now} and same.advice_put_off <= ${new Date(now.getTime() + PUT_OFF_MS_MAX)})
   order by advice_due_at, received_at limit ${limit}`;

/**
 * When the last advice of a card is due, in milliseconds since 1970: of those cards about which the earlier processor
 * has not been told everything. `panIndexes` are an array of uuids.
 */
export async function untoldCards(tx: Tx, panIndexes: Buffer): Promise<Map<string, number>> {
  const rows = await tx.rows<{ panIndex: string; dueAt: Date }>`
    select pan_index as "panIndex", max(advice_due_at) as "dueAt" from authorisations.messages
     where advice_due_at is not null and pan_index = any(${panIndexes}::uuid[]) group by pan_index`;
  return new Map(rows.map(({ panIndex, dueAt }) => [panIndex, dueAt.getTime()]));
}

export async function acknowledgeAdvices(tx: Tx, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await tx.run`
    update authorisations.messages
       set advice_due_at = null, advice_put_off = null, advice_attempts = advice_attempts + 1, pan_sealed = null
     where message_key = any(${uuidArray(keys)}::uuid[])`;
}

export async function putOffAdvices(tx: Tx, putOff: ReadonlyMap<string, Date>): Promise<void> {
  if (putOff.size === 0) return;
  await tx.run`
    update authorisations.messages
       set advice_put_off = sent.until, advice_attempts = advice_attempts + 1
      from unnest(${[...putOff.keys()]}::uuid[], ${[...putOff.values()]}::timestamptz[]) as sent(message_key, until)
     where messages.message_key = sent.message_key`;
}

/** Whether this process is the one that forwards advices: one at a time, so that they keep their order. */
export async function mayForward(tx: Tx): Promise<boolean> {
  const [{ mine }] = await tx.rows<{ mine: boolean }>`select pg_try_advisory_xact_lock(858303, 1) as mine`;
  return mine;
}
