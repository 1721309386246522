import type { Tx } from '#runtime/database/database.ts';

/**
 * Takes the holds of an import back: those that it placed go, and those that it changed return from their images.
 * What messages have done to a hold since stays done. Answers how many holds the import had placed or changed.
 */
export async function withdrawHolds(tx: Tx, importNumber: number): Promise<number> {
  const holds = await leaveAccounts(tx, importNumber);
  await returnImages(tx, importNumber);
  await tx.run`delete from ledger.replaced_holds where replaced_by_import = ${importNumber}`;
  await rememberMoved(tx, importNumber);
  await tx.run`delete from ledger.holds where import_number = ${importNumber}`;
  return holds;
}

/** Takes what they hold off their accounts; what returns comes back on. */
async function leaveAccounts(tx: Tx, importNumber: number): Promise<number> {
  const [{ holds }] = await tx.rows<{ holds: bigint }>`
    with gone as materialized (
      select account_id, amount_minor, closed_at from ledger.holds where import_number = ${importNumber}
    ), released as (
      update ledger.accounts set held_minor = held_minor - freed.amount_minor
        from (select account_id, sum(amount_minor) as amount_minor from gone
               where closed_at is null group by account_id) freed
       where accounts.account_id = freed.account_id
    )
    select count(*) as holds from gone`;
  return Number(holds);
}

/**
 * A hold that messages have changed since comes to what both leave of it: closed where either closed it, and no more
 * than the lesser amount. If its release had been ahead of it, it is again.
 */
const returnImages = (tx: Tx, importNumber: number) => tx.run`
  with first as (
    select distinct on (hold_id) hold_id, image
      from ledger.replaced_holds
     where replaced_by_import = ${importNumber}
     order by hold_id, replaced_by_line
  ), images as (
    select (image).*, here.hold_id as here_id,
           -- No import closes a hold, or touches these: also a movement of the same id shows.
           (here.live_movement_id, here.live_at) is distinct from ((image).live_movement_id, (image).live_at)
             or (here.closed_at is not null and (image).closed_at is null) as is_moved
      from first join ledger.holds here on here.hold_id = first.hold_id
     where (image).import_number is distinct from ${importNumber}
  ), returned as (
    update ledger.holds here
       set hold_id = was.hold_id, account_id = was.account_id, card_id = was.card_id, content_mac = was.content_mac,
           approved_at = was.approved_at, expires_at = was.expires_at, import_number = was.import_number,
           import_line = was.import_line, stated_by_import = was.stated_by_import,
           import_outcome = was.import_outcome, external_hold_id = was.external_hold_id,
           currency = was.currency, merchant_name = was.merchant_name, mcc = was.mcc,
           approval_code = was.approval_code, stan = was.stan, rrn = was.rrn,
           amount_minor = case when not is_moved then was.amount_minor
                               when was.closed_by = 'ahead' and here.closed_at is not null then 0
                               else least(was.amount_minor, here.amount_minor) end,
           closed_at = case when is_moved then coalesce(was.closed_at, here.closed_at) else was.closed_at end,
           closed_by = case when is_moved then coalesce(was.closed_by, here.closed_by) else was.closed_by end,
           stated_minor = case when is_moved and was.stated_by_import is not null
                               then coalesce(was.stated_minor, was.amount_minor) else was.stated_minor end
      from images was
     where here.hold_id = was.here_id
    returning here.account_id, here.amount_minor, here.closed_at
  )
  update ledger.accounts set held_minor = held_minor + again.amount_minor
    from (select account_id, sum(amount_minor) as amount_minor from returned
           where closed_at is null group by account_id) again
   where accounts.account_id = again.account_id`;

/** A release of a hold that only the import knew is ahead of it again: the next file that names the hold meets it. */
const rememberMoved = (tx: Tx, importNumber: number) => tx.run`
  update ledger.holds
     set closed_at = coalesce(closed_at, live_at), closed_by = 'ahead', stated_minor = null,
         amount_minor = case when closed_at is null then amount_minor else 0 end,
         content_mac = null, rrn = null, import_number = null, import_line = null, stated_by_import = null,
         import_outcome = null, external_hold_id = null
   where import_number = ${importNumber} and live_movement_id is not null`;
