-- When a card was issued here; null for one that a portfolio brought. Such a card has import_number 0, which is no
-- import, until a file of the earlier processor names it: then that processor knows it.
alter table cards.cards add column issued_at timestamptz;
create index cards_issued_here on cards.cards (pan_first6) where import_number = 0;
