select 'a cardholder of no import' as broken
  from cardholders.cardholders c left join cardholders.imports i using (import_number) where i is null
