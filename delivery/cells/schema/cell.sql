create schema if not exists cell;
create schema if not exists reporting;

create table if not exists cell.schema_changes (
  schema     text not null,
  change     text not null,
  applied_at timestamptz not null default now(),
  primary key (schema, change)
);

-- Data keys, wrapped by a key-encryption key that is never in the database.
create table if not exists cell.data_keys (
  purpose text not null,
  version int4 not null,
  wrapped bytea not null,
  made_at timestamptz not null default now(),
  primary key (purpose, version)
);

-- The tenant's public keys and the cell's own pairs; private halves are sealed.
create table if not exists cell.openpgp_keys (
  fingerprint    text not null,
  owner          text not null check (owner in ('tenant', 'cell')),
  public_key     text not null,
  sealed_private bytea,
  imported_at    timestamptz not null default now(),
  primary key (owner, fingerprint)
);
