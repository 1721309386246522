select 'a card whose PAN is claimed by another' as broken
  from cards.cards c join cards.claimed_pans p using (pan_index) where p.card_id <> c.card_id
