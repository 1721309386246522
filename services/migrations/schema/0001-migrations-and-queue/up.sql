create table migrations.migrations (
  import_number    int4 generated always as identity primary key,
  state            text not null check (state in
                     ('loading', 'working', 'closing', 'completed', 'refused', 'cancelling', 'cancelled')),
  paused           boolean not null default false,
  kind             text,
  file_id          text,
  source           text,
  sequence         int8,
  file_created_at  timestamptz,
  bin_ranges       text,
  judged_on        date,
  plaintext_sha256 text,
  plaintext_bytes  int8,
  signer           text,
  path             text not null,
  refusal_code     text,
  refusal_message  text,
  rows             jsonb not null default '{}',
  chunk_lines      int4,
  chunks_expected  int4,
  loader           text,
  loader_lease     timestamptz,
  started_at       timestamptz not null default now(),
  completed_at     timestamptz,
  ledger_posted    jsonb not null default '{}',
  ledger_held      jsonb not null default '{}',
  ledger_offset    jsonb not null default '{"posted": {}, "held": {}}',
  reconciled       boolean
);
-- One file id, one content; refused and cancelled files leave it free. Mock files load nothing and take none.
create unique index migrations_file on migrations.migrations (file_id)
  where state not in ('refused', 'cancelled') and kind <> 'mock';
-- The migrations of a cell run one after the other.
create unique index migrations_active on migrations.migrations ((true))
  where state in ('loading', 'working', 'closing', 'cancelling');

-- The queue. A chunk is a run of lines, sealed until it is done; its outcomes replace it.
create table migrations.chunks (
  import_number int4 not null,
  phase         int2 not null,     -- 1 cards, 2 holds and tokens: a phase begins when the one before is done
  lane          int2 not null,     -- 0 in any order, 1 one after the other in file order
  first_line    int4 not null,
  redrive       int4 not null default 0,
  lines         int4 not null,
  state         text not null default 'ready' check (state in ('ready', 'leased', 'done')),
  epoch         int4 not null default 0,
  attempts      int4 not null default 0,
  worker        text,
  lease_until   timestamptz,
  not_before    timestamptz not null default now(),
  last_error    text,
  payload       bytea,
  outcomes      bytea,
  totals        jsonb,
  primary key (import_number, redrive, phase, lane, first_line)
) with (fillfactor = 70);
create index chunks_open on migrations.chunks (import_number, phase, lane, first_line) where state <> 'done';
alter table migrations.chunks alter payload set storage external, alter outcomes set storage external;

-- What earlier accepted lines of the file claimed, for the lines that cannot be judged alone.
create table migrations.claims (
  import_number int4 not null,
  kind          text not null,     -- version, account, hold, token
  key           text not null,
  value         text not null,
  line          int4 not null,
  primary key (import_number, kind, key)
);

create table migrations.dead_letters (
  import_number int4 not null,
  line          int4 not null,
  record_type   text not null,
  external_id   text not null,
  code          text not null,
  detail        text not null,
  attempts      int4 not null,
  died_at       timestamptz not null default now(),
  sealed_line   bytea not null,
  primary key (import_number, line)
);

create view reporting.migrations as
  select import_number, state, paused, kind, file_id, source, sequence, refusal_code, rows, started_at,
         completed_at, reconciled
    from migrations.migrations;
create view reporting.dead_letters as
  select import_number, line, record_type, external_id, code, attempts, died_at from migrations.dead_letters;
