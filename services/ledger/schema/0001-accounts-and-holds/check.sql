select 'currency ' || currency || ' does not sum to zero' as broken
  from ledger.accounts group by currency having sum(posted_minor) <> 0
union all
select 'account ' || a.account_id || ' holds other than its open holds'
  from ledger.accounts a left join ledger.holds h using (account_id)
 group by a.account_id, a.held_minor having a.held_minor <> coalesce(sum(h.amount_minor), 0)
