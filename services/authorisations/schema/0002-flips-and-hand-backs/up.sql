-- Every flip there was: the epoch it ended, who asked for it, the last file that had been brought in by then, and
-- when the audit trail was told of it.
create table authorisations.flips (
  prefix      text not null,
  epoch       int4 not null,
  direction   text not null check (direction in ('cutover', 'rollback')),
  operator    text not null,
  approved_by text not null,
  last_import int4,
  flipped_at  timestamptz not null,
  told_at     timestamptz,
  primary key (prefix, epoch)
);

-- The hand-back files that were written, numbered as their headers are. What a file says was so at `as_of`.
create table authorisations.hand_backs (
  sequence   int4 primary key check (sequence > 0),
  prefix     text not null,
  epoch      int4 not null,
  file_id    text not null unique,
  as_of      timestamptz not null,
  cards      int4 not null,
  holds      int4 not null,
  tokens     int4 not null,
  operator   text not null,
  written_at timestamptz not null default now()
);

create view reporting.flips as select * from authorisations.flips;
create view reporting.hand_backs as select * from authorisations.hand_backs;
