-- Rows come in by the million and are rarely changed: a vacuum in the middle of a load would only read them all.
-- posted_minor is the holder's money: negative is owed. Every movement has two sides, so all accounts of a
-- currency, the clearing account among them, sum to zero at every commit.
create table ledger.accounts (
  account_id          uuid primary key,
  posted_minor        int8 not null,
  held_minor          int8 not null default 0,
  credit_limit_minor  int8 not null default 0,
  opened_by_import    int4,
  stated_by_import    int4,
  stated_by_line      int4,
  account_type        text not null,
  currency            text not null,
  external_account_id text
) with (autovacuum_vacuum_insert_threshold = -1);

-- One row is one movement with both its sides. Ids are drawn a thousand at a time: they name, they do not count.
create table ledger.transfers (
  transfer_id       int8 generated always as identity (cache 1000) primary key,
  debit_account_id  uuid not null,
  credit_account_id uuid not null,
  amount_minor      int8 not null check (amount_minor > 0),
  import_number     int4,
  currency          text not null,
  reason            text not null
) with (autovacuum_vacuum_insert_threshold = -1);

-- What a later statement replaced: the way back when an import is withdrawn.
create table ledger.replaced_statements (
  account_id         uuid not null,
  replaced_by_import int4 not null,
  image              ledger.accounts not null,
  primary key (account_id, replaced_by_import)
);

create table ledger.holds (
  hold_id          uuid primary key,
  account_id       uuid not null,
  card_id          uuid not null,
  content_mac      uuid not null,
  amount_minor     int8 not null check (amount_minor > 0),
  approved_at      timestamptz not null,
  expires_at       timestamptz not null,
  import_number    int4 not null,
  import_line      int4 not null,
  stated_by_import int4 not null,
  import_outcome   text not null,
  external_hold_id text not null,
  currency         text not null,
  merchant_name    text not null,
  mcc              text not null,
  approval_code    text not null,
  stan             text not null,
  rrn              text not null
);
create table ledger.replaced_holds (
  hold_id            uuid not null,
  replaced_by_import int4 not null,
  replaced_by_line   int4 not null,
  image              ledger.holds not null,
  primary key (hold_id, replaced_by_import, replaced_by_line)
);

create table ledger.imports (
  import_number int4 primary key,
  state         text not null check (state in ('open', 'withdrawn'))
);

create view reporting.accounts as
  select account_id, external_account_id, account_type, currency, posted_minor, held_minor, credit_limit_minor
    from ledger.accounts;
create view reporting.transfers as select * from ledger.transfers;
create view reporting.holds as
  select hold_id, external_hold_id, account_id, card_id, amount_minor, currency, mcc, approved_at, expires_at
    from ledger.holds;
