import { test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { panOf, withCheckDigit } from '#tools/testing/pans.ts';
import { play } from '#tools/testing/play.ts';

/** Two codes apply to one line; the contract's table says which one the tenant sees. */
const cell = await testCell();
const undeclared = withCheckDigit('400000123456789');

test('checks of the line itself come first, in field order', () =>
  play(
    cell,
    `
    full
    card c1                                          -> migrated
    card c2 v=x currency=ZZZ birth_date=2999-01-01   -> invalid_field version
    card c3 pan=${undeclared} currency=ZZZ           -> invalid_field currency
    card c1 country=XX                               -> invalid_field country
    card c1 pan=${undeclared}                        -> bin_not_declared
    card c4 op=close pan=${undeclared}               -> bin_not_declared
    hold h1 card=none amount=0                       -> invalid_field amount_minor
    token t1 card=none expiry=2900                   -> invalid_field expiry
    `,
  ));

test('then the order of the table: duplicate, account, PAN, version, card', () =>
  play(
    cell,
    `
    full
    card c1 v=5 account=a posted=1                   -> migrated
    card c2 v=5 account=b posted=1                   -> migrated
    # duplicate_row before account_conflict and pan_conflict
    card c1 v=5 account=b posted=2 pan=c2            -> duplicate_row
    # account_conflict before pan_conflict, stale_version and unknown_card
    card c1 v=4 account=b posted=2 pan=c2            -> account_conflict
    card c9 account=a posted=1 currency=USD op=close -> account_conflict
    # pan_conflict before stale_version and unknown_card
    card c1 v=4 account=a posted=1 pan=c2            -> pan_conflict
    card c9 account=a posted=1 pan=c2 op=status      -> pan_conflict
    card c1 v=4 account=a posted=1                   -> stale_version
    # unknown_card before currency_mismatch, duplicate_row before both
    hold h1 card=none currency=USD                   -> unknown_card
    hold h2 card=c1                                  -> migrated
    hold h2 card=none currency=USD                   -> duplicate_row
    hold h2 card=c1 currency=USD                     -> duplicate_row
    token t1 card=c1                                 -> migrated
    token t1 card=none                               -> duplicate_row
    delta
    card c2 v=5 account=b posted=1 currency=USD city=X -> account_conflict
    card c2 v=5 account=b posted=1 pan=c1 city=X     -> pan_conflict
    card c2 v=5 account=b posted=1 city=X            -> version_conflict
    card c1 v=4 account=a posted=1 op=close          -> stale_version
    `,
  ));

test('file refusals: what is wrong first counts', async () => {
  const pan = panOf('any');
  await play(
    cell,
    `
    full created_at=yesterday tenant=other sequence=9 -> bad_header
    full format_version=2 tenant=other               -> unsupported_version
    full format_version=2 kind=half                  -> bad_header
    full tenant=other sequence=9                     -> wrong_cell
    full environment=staging sequence=9              -> wrong_cell
    full sequence=9                                  -> bad_sequence
    trailer card_rows=7
    full -> control_totals_mismatch
    trailer card_rows=7
    full file_id=once-only
    card c1 pan=${pan}                               -> migrated
    delta file_id=once-only sequence=9               -> file_id_reused
    delta file_id=once-only tenant=other             -> wrong_cell
    delta sequence=3                                 -> bad_sequence
    trailer card_rows=many
    delta                                            -> missing_trailer
    trailer card_rows=many
    delta                                            -> missing_trailer
    raw H,1,again
    delta                                            -> missing_trailer
    raw T,0,0,0,,
    card c2
    `,
  );
});
