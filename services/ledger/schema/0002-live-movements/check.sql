select 'account ' || a.account_id || ' holds other than its open holds' as broken
  from ledger.accounts a left join ledger.holds h on h.account_id = a.account_id and h.closed_at is null
 group by a.account_id, a.held_minor having a.held_minor <> coalesce(sum(h.amount_minor), 0)
union all
select 'hold ' || hold_id || ' belongs to neither a file nor a message'
  from ledger.holds where import_number is null and live_movement_id is null
