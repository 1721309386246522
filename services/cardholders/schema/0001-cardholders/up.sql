-- Rows come in by the million and are rarely changed: a vacuum in the middle of a load would only read them all.
create table cardholders.cardholders (
  cardholder_id          uuid primary key,
  content_mac            uuid not null,
  import_number          int4 not null,
  import_line            int4 not null,
  birth_date             date not null,
  external_cardholder_id text not null,
  given_names            text not null,
  family_names           text not null,
  document_type          text not null,
  document_number        text not null,
  email                  text,
  phone                  text,
  address_line           text,
  city                   text,
  country                text not null
) with (autovacuum_vacuum_insert_threshold = -1);

-- What a later statement replaced: the way back when an import is withdrawn.
create table cardholders.replaced_cardholders (
  cardholder_id      uuid not null,
  replaced_by_import int4 not null,
  image              cardholders.cardholders not null,
  primary key (cardholder_id, replaced_by_import)
);

create table cardholders.imports (
  import_number int4 primary key,
  state         text not null check (state in ('open', 'withdrawn'))
);

create view reporting.cardholders as
  select cardholder_id, external_cardholder_id, document_type, country, import_number
    from cardholders.cardholders;
