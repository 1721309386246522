-- One row is one entry of the audit trail. `details` is the very text that `hash` was computed over, so it is no jsonb,
-- which would write numbers and keys anew. The primary key is the only index that every entry pays for.
create table audit.entries (
  seq           int8 primary key check (seq > 0),
  at            timestamptz not null check (isfinite(at)),
  actor         text not null,
  action        text not null,
  subject       text not null,
  details       text not null,
  once          text,
  previous_hash bytea not null check (length(previous_hash) = 32),
  hash          bytea not null check (length(hash) = 32)
);
create unique index entries_once on audit.entries (once) where once is not null;
