select 'card ' || card_id || ' of no import that was not issued here' as broken
  from cards.cards where import_number = 0 and issued_at is null
