select 'entry ' || seq || ' does not follow the one before it' as broken
  from (select seq, previous_hash, lag(seq) over w as seq_before, lag(hash) over w as hash_before
          from audit.entries window w as (order by seq)) as entries
 where seq <> coalesce(seq_before + 1, 1) or previous_hash <> hash_before
