-- Rows come in by the million and are rarely changed: a vacuum in the middle of a load would only read them all.
-- Codes of 128 bits (pan_index, content_mac) are kept as uuid: fixed width, compared as two machine words.
create table cards.cards (
  card_id             uuid primary key,
  cardholder_id       uuid not null,
  account_id          uuid not null,
  pan_index           uuid not null,
  content_mac         uuid not null,
  version             int8 not null,
  daily_limit_minor   int8,
  monthly_limit_minor int8,
  import_number       int4 not null,
  import_line         int4 not null,
  issued_on           date not null,
  pin_tries_left      int2,
  import_outcome      text not null,
  external_card_id    text not null,
  pan_first6          text not null,
  pan_last4           text not null,
  pan_sealed          bytea not null,
  expiry              text not null,
  pan_sequence        text,
  service_code        text not null,
  status              text not null,
  status_reason       text,
  card_type           text not null,
  product             text not null,
  pin_format          text,
  pin_key_id          text,
  pin_sealed          bytea,
  embossed_name       text
) with (autovacuum_vacuum_insert_threshold = -1);
create unique index cards_pan_index on cards.cards (pan_index);

-- What a later version replaced: proof of what a card was, and the way back when an import is withdrawn.
create table cards.replaced_cards (
  card_id            uuid not null,
  replaced_by_import int4 not null,
  replaced_by_line   int4 not null,
  image              cards.cards not null,
  primary key (card_id, replaced_by_import, replaced_by_line)
);

-- A PAN once accepted for a card stays that card's for ever, also after the card has moved to another one.
create table cards.claimed_pans (
  pan_index     uuid primary key,
  card_id       uuid not null,
  import_number int4 not null,
  import_line   int4 not null
);

create table cards.tokens (
  token_id           uuid primary key,
  card_id            uuid not null,
  content_mac        uuid not null,
  import_number      int4 not null,
  import_line        int4 not null,
  import_outcome     text not null,
  external_token_ref text not null,
  requestor          text not null,
  device_id          text,
  status             text not null,
  expiry             text not null
);
create table cards.replaced_tokens (
  token_id           uuid not null,
  replaced_by_import int4 not null,
  replaced_by_line   int4 not null,
  image              cards.tokens not null,
  primary key (token_id, replaced_by_import, replaced_by_line)
);

-- The gate of an import: 'open' takes rows, 'withdrawn' never again. Each import locks its row while it writes.
create table cards.imports (
  import_number int4 primary key,
  state         text not null check (state in ('open', 'withdrawn'))
);

create view reporting.cards as
  select card_id, external_card_id, version, pan_first6 || '******' || pan_last4 as pan_masked, expiry, status,
         card_type, product, issued_on, account_id, cardholder_id, import_number
    from cards.cards;
create view reporting.tokens as
  select token_id, external_token_ref, card_id, requestor, status, expiry, import_number from cards.tokens;
