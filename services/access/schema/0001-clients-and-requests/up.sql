-- One row is one API client. A revoked one stays, so that its id keeps its meaning in the audit trail.
create table access.clients (
  client_id  text primary key,
  name       text not null,
  scopes     text[] not null check (cardinality(scopes) > 0),
  added_at   timestamptz not null default now(),
  revoked_at timestamptz
);
-- Nobody has to guess which of two clients a name means, and an addition that is run again makes no second one.
create unique index clients_name on access.clients (lower(name)) where revoked_at is null;

-- HMAC-SHA-256 codes of secrets, under a key that the database never sees. The newest has no end; the ones before it
-- have the end that a renewal gave them. `hint` is the secret's last four letters, for people to tell which they hold.
create table access.secrets (
  client_id   text not null references access.clients,
  code        bytea not null check (length(code) = 32),
  hint        text not null check (length(hint) = 4),
  added_at    timestamptz not null default now(),
  valid_until timestamptz,
  primary key (client_id, code)
);
create unique index secrets_newest on access.secrets (client_id) where valid_until is null;

-- One row is one idempotency key of one client: `request_code` codes both, `content_code` what was asked with it.
--   under way   no status; whoever holds the epoch works on it until leased_until
--   given up    no status and no content: it took no effect, and anything may be asked with the key
--   answered    a status, and the answer sealed; null where it was too large to keep
-- is_again: somebody began it before and may have had some effect. Epochs never come again while the row is here.
create table access.requests (
  request_code  bytea primary key check (length(request_code) = 32),
  content_code  bytea check (length(content_code) = 32),
  epoch         int4 not null default 1 check (epoch > 0),
  is_again      boolean not null default false,
  status        int2 check (status between 100 and 599),
  begun_at      timestamptz not null default clock_timestamp(),
  leased_until  timestamptz not null,
  sealed_answer bytea,
  check (status is not null or sealed_answer is null),
  check (status is null or content_code is not null)
);
create index requests_begun on access.requests (begun_at);

create view reporting.clients as
  select client_id, name, scopes, added_at, revoked_at from access.clients;
