import type pg from 'pg';
import type { Codes } from '#services/authorisations/pipeline/message-codes.ts';
import type { AuthorisationRequest } from '#services/authorisations/request/request.ts';

/** A request with its codes; the hold's id hangs on the card, which has to be found first. */
export interface Asked {
  readonly request: AuthorisationRequest;
  readonly codes: Codes;
  readonly approvalCode: string;
  holdIdOf(cardId: string): string;
}

const CARD = `
  select card_id, account_id, status, expiry from cards.cards where pan_index = $1`;
const KNOWN = `
  select response_code from authorisations.messages where message_key = $1`;
const SPENT = `
  insert into authorisations.usage as here (card_id, day, day_count, day_minor, month, month_count, month_minor)
  values ($1, $2, 1, $4, $3, 1, $4)
      on conflict (card_id) do update
     set day_count = here.day_count + 1, day_minor = here.day_minor + $4,
         month_count = here.month_count + 1, month_minor = here.month_minor + $4`;
const HELD = `
  update ledger.accounts set held_minor = held_minor + $2
   where account_id = $1 and currency = $3 and posted_minor + credit_limit_minor - held_minor >= $2`;
const HOLD = `
  insert into ledger.holds (hold_id, account_id, card_id, amount_minor, approved_at, expires_at, currency, movement_id,
                            approval_code, stan, rrn, mcc, merchant_name)
  values ($1, $2, $3, $4, $5, $5::timestamptz + interval '7 days', $6, $7, $8, $9, $10, $11, $12)`;
const MESSAGE = `
  insert into authorisations.messages
    (message_key, content_code, pan_index, received_at, moved_at, answered_at, card_id, account_id, hold_id, amount_minor,
     kind, prefix, state, decided_by, currency, response_code, approval_code, own_code, own_reason, pan_masked, request)
  values ($1, $2, $3, now(), $4, now(), $5, $6, $7, $8, $9, $10, 'done', 'own', $11, $12, $13, $12, $14, $15, $16)`;

/** Fields that are kept of a message: their size is what counts here. */
const KEPT = Buffer.alloc(150, '0');
const DAY_MS = 86_400_000;

interface Card {
  card_id: string;
  account_id: string;
}

const named = (name: string, text: string, values: readonly unknown[]) => ({
  name,
  text,
  values: [...values],
});

/** Statement by statement in one transaction, in three round trips: those that need no answer travel together. */
export async function inOneTransaction(client: pg.Client, asked: Asked): Promise<string> {
  const { request, codes } = asked;
  const begin = client.query('begin');
  const [card, known] = await Promise.all([
    client.query<Card>(named('card', CARD, [codes.panIndex])),
    client.query<{ response_code: string }>(named('known', KNOWN, [codes.key])),
    begin,
  ]);
  if (known.rowCount) {
    await client.query('rollback');
    return known.rows[0].response_code;
  }
  const [{ card_id: cardId, account_id: accountId }] = card.rows;
  const day = Math.floor(request.transmittedAt.getTime() / DAY_MS);
  const held = await client.query(named('held', HELD, [accountId, request.amountMinor, request.currency]));
  const isApproved = held.rowCount === 1;
  const holdId = isApproved ? asked.holdIdOf(cardId) : null;
  const writes = [client.query(named('message', MESSAGE, messageValues(asked, cardId, accountId, holdId)))];
  if (holdId)
    writes.push(
      client.query(named('hold', HOLD, holdValues(asked, cardId, accountId, holdId))),
      client.query(named('spent', SPENT, [cardId, day, Math.floor(day / 31), request.amountMinor])),
    );
  await Promise.all([...writes, client.query('commit')]);
  return isApproved ? '00' : '51';
}

/** The same in one statement, which is its own transaction: one round trip. The hold's id is drawn by the server. */
export async function inOneStatement(client: pg.Client, asked: Asked): Promise<string> {
  const { request, codes, approvalCode } = asked;
  const day = Math.floor(request.transmittedAt.getTime() / DAY_MS);
  const answer = await client.query<{ code: string }>(
    named('whole', WHOLE, [
      codes.panIndex,
      codes.key,
      request.amountMinor,
      request.currency,
      day,
      Math.floor(day / 31),
      request.transmittedAt,
      approvalCode,
      request.stan,
      request.rrn,
      request.merchant.mcc,
      request.merchant.name,
      codes.content,
      request.kind,
      request.pan.reveal().slice(0, 6),
      request.pan.masked,
      KEPT,
    ]),
  );
  return answer.rows[0].code;
}

const WHOLE = `
  with card as (
    select card_id, account_id from cards.cards where pan_index = $1
  ), known as (
    select response_code from authorisations.messages where message_key = $2
  ), held as (
    update ledger.accounts set held_minor = held_minor + $3::int8
     where account_id = (select account_id from card) and currency = $4
       and posted_minor + credit_limit_minor - held_minor >= $3::int8 and not exists (select from known)
    returning account_id
  ), hold as (
    insert into ledger.holds (hold_id, account_id, card_id, amount_minor, approved_at, expires_at, currency, movement_id,
                              approval_code, stan, rrn, mcc, merchant_name)
    select gen_random_uuid(), account_id, card_id, $3, $7, $7::timestamptz + interval '7 days', $4, $2, $8, $9, $10, $11,
           $12
      from held join card using (account_id)
    returning hold_id
  ), spent as (
    insert into authorisations.usage as here (card_id, day, day_count, day_minor, month, month_count, month_minor)
    select card_id, $5, 1, $3, $6, 1, $3 from held join card using (account_id)
        on conflict (card_id) do update
       set day_count = here.day_count + 1, day_minor = here.day_minor + $3,
           month_count = here.month_count + 1, month_minor = here.month_minor + $3
  ), message as (
    insert into authorisations.messages
      (message_key, content_code, pan_index, received_at, moved_at, answered_at, card_id, account_id, hold_id,
       amount_minor, kind, prefix, state, decided_by, currency, response_code, approval_code, own_code, own_reason,
       pan_masked, request)
    select $2, $13, $1, now(), $7, now(), card_id, account_id, (select hold_id from hold), $3, $14, $15, 'done', 'own', $4,
           case when exists (select from held) then '00' else '51' end, $8,
           case when exists (select from held) then '00' else '51' end,
           case when exists (select from held) then 'approved' else 'insufficient_funds' end, $16, $17
      from card
     where not exists (select from known)
    returning response_code
  )
  select response_code as code from message union all select response_code from known`;

const messageValues = (
  { request, codes, approvalCode }: Asked,
  cardId: string,
  accountId: string,
  holdId: string | null,
): unknown[] => [
  codes.key,
  codes.content,
  codes.panIndex,
  request.transmittedAt,
  cardId,
  accountId,
  holdId,
  request.amountMinor,
  request.kind,
  request.pan.reveal().slice(0, 6),
  request.currency,
  holdId ? '00' : '51',
  approvalCode,
  holdId ? 'approved' : 'insufficient_funds',
  request.pan.masked,
  KEPT,
];

const holdValues = (
  { request, codes, approvalCode }: Asked,
  cardId: string,
  accountId: string,
  holdId: string,
): unknown[] => [
  holdId,
  accountId,
  cardId,
  request.amountMinor,
  request.transmittedAt,
  request.currency,
  codes.key,
  approvalCode,
  request.stan,
  request.rrn,
  request.merchant.mcc,
  request.merchant.name,
];
