-- A BIN range: who decides about its cards. Every flip between relay and own raises the epoch.
create table authorisations.ranges (
  prefix                text primary key check (prefix ~ '^[0-9]{6,8}$'),
  mode                  text not null check (mode in ('relay', 'own')),
  epoch                 int4 not null default 1,
  processor             text,
  processor_framing     text not null default 'binary' check (processor_framing in ('binary', 'ascii')),
  budget_ms             int4 not null default 2000 check (budget_ms > 0),
  stand_in_amount_minor int8,
  stand_in_count        int4,
  agreement_bar         numeric not null default 0.999 check (agreement_bar between 0 and 1),
  window_minutes        int4 not null default 60,
  window_messages       int4 not null default 1000,
  pin_policy            text not null default 'pass',
  set_at                timestamptz not null default now(),
  flipped_at            timestamptz,
  constraint a_relay_needs_a_processor check (mode = 'own' or processor is not null)
);

-- One row is one message of the network and what became of it. Messages are kept without card numbers, tracks, PIN
-- blocks and chip data. A message key begins with the transmission time, so new keys stand at the right end of
-- their index; the primary key is the only index that every message pays for (the BRIN one costs next to nothing).
create table authorisations.messages (
  message_key     uuid primary key,
  content_code    uuid not null,
  received_at     timestamptz not null,
  moved_at        timestamptz not null,
  answered_at     timestamptz,
  advice_due_at   timestamptz,
  -- It was tried, and is not tried again before that.
  advice_put_off  timestamptz,
  card_id         uuid,
  account_id      uuid,
  hold_id         uuid,
  original_key    uuid,
  pan_index       uuid not null,
  amount_minor    int8 not null,
  -- What reversals have left of the amount.
  left_minor      int8,
  advice_attempts int4 not null default 0,
  kind            text not null,
  prefix          text not null,
  state           text not null check (state in ('relaying', 'done', 'unfollowed')),
  decided_by      text check (decided_by in ('own', 'earlier', 'stand_in')),
  currency        text not null,
  response_code   text,
  approval_code   text,
  own_code        text,
  own_reason      text,
  draft_code      text,
  -- What the earlier processor answered after we had stood in for it.
  late_code       text,
  -- Another process, or a later one, has asked the earlier processor too, or was about to.
  asked_again     bool not null default false,
  pan_masked      text not null,
  -- What was answered named the card number, which is not kept.
  answer_has_pan  bool not null default false,
  request         bytea not null,
  answer          bytea,
  -- Only of a card that is not here, while the earlier processor may have to be asked or told about it.
  pan_sealed      bytea
) with (autovacuum_vacuum_insert_threshold = -1);
create index messages_relaying on authorisations.messages (received_at) where state = 'relaying';
create index messages_unfollowed on authorisations.messages (received_at) where state = 'unfollowed';
create index messages_advice_due on authorisations.messages (advice_due_at) where advice_due_at is not null;
create index messages_untold on authorisations.messages (pan_index) where advice_due_at is not null;
create index messages_received_at on authorisations.messages
 using brin (received_at) with (pages_per_range = 32, autosummarize = on);

-- What a card has spent: of the UTC day and month of its latest movement. Rows are updated in place.
create table authorisations.usage (
  card_id     uuid primary key,
  day         int4 not null,
  day_count   int4 not null,
  day_minor   int8 not null,
  month       int4 not null,
  month_count int4 not null,
  month_minor int8 not null
) with (fillfactor = 60);

-- Messages that were reversed before they came, and what their reversals leave of them.
create table authorisations.reversed_ahead (
  message_key uuid primary key,
  left_minor  int8 not null,
  at          timestamptz not null
);

-- Spend controls of a card or product, in versions; a draft is judged beside the active one and decides nothing.
create table authorisations.controls (
  scope       text not null,
  subject     text not null,
  version     int4 not null,
  state       text not null check (state in ('draft', 'active', 'retired')),
  rules       jsonb not null,
  set_at      timestamptz not null default now(),
  promoted_at timestamptz,
  primary key (scope, subject, version)
);
create unique index controls_one_of_each_state on authorisations.controls (scope, subject, state)
 where state <> 'retired';

-- Who agreed to a flip of a range out of this epoch.
create table authorisations.approvals (
  prefix    text not null,
  epoch     int4 not null,
  direction text not null check (direction in ('cutover', 'rollback')),
  operator  text not null,
  at        timestamptz not null default now(),
  primary key (prefix, epoch, direction, operator)
);

-- Heartbeats of the processes that serve messages.
create table authorisations.peers (
  process           text primary key,
  network_signed_on bool not null,
  processor_up      jsonb not null,
  answered          int8 not null,
  unrecorded        int8 not null,
  p99_ms            int4,
  seen_at           timestamptz not null
) with (fillfactor = 50);

create view reporting.messages as
  select message_key, received_at, answered_at, kind, prefix, state, decided_by, card_id, account_id, pan_masked,
         amount_minor, left_minor, currency, response_code, approval_code, own_code, own_reason, draft_code,
         late_code, original_key, advice_due_at
    from authorisations.messages;
create view reporting.ranges as
  select prefix, mode, epoch, budget_ms, stand_in_amount_minor, stand_in_count, agreement_bar, set_at, flipped_at
    from authorisations.ranges;
create view reporting.spending as select * from authorisations.usage;
