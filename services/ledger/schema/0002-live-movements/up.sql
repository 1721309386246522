-- Messages of the card network move money while files state it. A file speaks as of the moment in its header;
-- movements that took place later are not in it and survive it.

-- stated_as_of: of the file that stated the account last. Rows are now updated often: with a little room in each
-- page, an update stays in its page and touches no index.
alter table ledger.accounts add stated_as_of timestamptz;
alter table ledger.accounts set (fillfactor = 90);

-- A transfer with a movement_id was moved by a message, at moved_at as both sides of the network see it (but not
-- before what a file has stated meanwhile: what the file does not cover counts as later).
alter table ledger.transfers
  add movement_id uuid,
  add moved_at    timestamptz;
create unique index transfers_movement on ledger.transfers (movement_id) where movement_id is not null;
create index transfers_live on ledger.transfers
  ((case reason when 'refund' then credit_account_id else debit_account_id end), moved_at)
  where movement_id is not null;

-- What the account came to when it was stated, live movements since then included.
alter table ledger.replaced_statements add restated_minor int8;

-- A hold comes from a file (import_number and what follows from it), from a message (movement_id), or from both.
-- It stays when it is closed: repeats and files that still name it have to find it. A closed row keeps the amount
-- it held last. Closed 'ahead' is one whose release came before it; its amount is what is to remain of it, and its stan
-- that of the message that is to come.
--   live_at, live_movement_id   the latest movement by a message or by expiry
--   stated_minor                what the file stated, where a movement has changed it since
alter table ledger.holds
  drop constraint holds_amount_minor_check,
  add movement_id      uuid,
  add live_movement_id uuid,
  add live_at          timestamptz,
  add closed_at        timestamptz,
  add stated_minor     int8,
  add closed_by        text check (closed_by in ('release', 'clearing', 'expiry', 'ahead')),
  add constraint an_open_hold_holds_something check (amount_minor > 0 or amount_minor = 0 and closed_at is not null),
  alter content_mac drop not null,
  alter import_number drop not null,
  alter import_line drop not null,
  alter stated_by_import drop not null,
  alter import_outcome drop not null,
  alter external_hold_id drop not null,
  alter merchant_name drop not null,
  alter mcc drop not null,
  alter approval_code drop not null,
  alter stan drop not null,
  alter rrn drop not null;
alter table ledger.holds set (fillfactor = 90);
-- The primary key is the only index that every hold pays for; none of these is touched when one is closed.
create index holds_of_files on ledger.holds (card_id) where import_number is not null;
create index holds_ahead on ledger.holds (card_id) where import_number is null and movement_id is null;
create index holds_expiry on ledger.holds using brin (expires_at) with (pages_per_range = 32, autosummarize = on);

create or replace view reporting.accounts as
  select account_id, external_account_id, account_type, currency, posted_minor, held_minor, credit_limit_minor,
         stated_as_of
    from ledger.accounts;
create or replace view reporting.transfers as select * from ledger.transfers;
create or replace view reporting.holds as
  select hold_id, external_hold_id, account_id, card_id, amount_minor, currency, mcc, approved_at, expires_at,
         movement_id, closed_at, closed_by
    from ledger.holds;
