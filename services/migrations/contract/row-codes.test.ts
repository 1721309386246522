import { test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { withCheckDigit } from '#tools/testing/pans.ts';
import { play } from '#tools/testing/play.ts';

/** Every rejection code of a line, beside lines that come through (portfolio format, "What happens to a row"). */
const cell = await testCell();

test('wrong_field_count: too few or too many fields, broken quoting, unknown types', () =>
  play(
    cell,
    `
    full
    card c1                            -> migrated
    raw C,c2,1,upsert                  -> wrong_field_count
    raw O,h1,c1                        -> wrong_field_count
    raw W,t1,c1,google-pay,,active     -> wrong_field_count
    raw W,t1,c1,google-pay,,active,2908,more -> wrong_field_count
    raw W,t1,c1,google-pay,"x,active,2908    -> wrong_field_count
    raw W,t1,c1,goo"gle,,active,2908   -> wrong_field_count
    raw X,what,is,this                 -> wrong_field_count
    raw c,lower                        -> wrong_field_count
    raw ""                             -> wrong_field_count
    raw                                -> wrong_field_count
    token t1 card=c1                   -> migrated
    `,
  ));

test('invalid_field: the first field that breaks its rule is named', () =>
  play(
    cell,
    `
    full
    card c1 external_card_id=               -> invalid_field external_card_id
    card c2 external_card_id=c#2            -> invalid_field external_card_id
    card c3 v=0                             -> invalid_field version
    card c4 v=1.0                           -> invalid_field version
    card c5 op=delete                       -> invalid_field operation
    card c6 pan=4509170000000001            -> invalid_field pan
    card c7 expiry=2913                     -> invalid_field expiry
    card c8 pan_sequence=1                  -> invalid_field pan_sequence
    card c9 service_code=20                 -> invalid_field service_code
    card c10 status=stopped                 -> invalid_field status
    card c11 card_type=plastic              -> invalid_field card_type
    card c12 product="gold card"            -> invalid_field product
    card c13 issued_on=2019-02-29           -> invalid_field issued_on
    card c14 pin_format=iso9                -> invalid_field pin_format
    card c15 pin_value=1234                 -> invalid_field pin_value
    card c16 pin_format=iso0 pin_value=12   -> invalid_field pin_value
    card c17 pin_format=ibm3624 pin_value=1234 -> invalid_field pin_key_id
    card c18 pin_tries_left=10              -> invalid_field pin_tries_left
    card c19 external_account_id="a b"      -> invalid_field external_account_id
    card c20 account_type=savings           -> invalid_field account_type
    card c21 currency=ZZZ                   -> invalid_field currency
    card c22 posted=1.5                     -> invalid_field posted_minor
    card c23 posted=9007199254740992        -> invalid_field posted_minor
    card c24 limit=1                        -> invalid_field credit_limit_minor
    card c25 daily_limit_minor=-1           -> invalid_field daily_limit_minor
    card c26 monthly_limit_minor=x          -> invalid_field monthly_limit_minor
    card c27 external_cardholder_id=        -> invalid_field external_cardholder_id
    card c28 given_names=                   -> invalid_field given_names
    card c29 family_names=                  -> invalid_field family_names
    card c30 document_type=nif              -> invalid_field document_type
    card c31 document_number=12_3           -> invalid_field document_number
    card c32 birth_date=2999-01-01          -> invalid_field birth_date
    card c33 email=nobody                   -> invalid_field email
    card c34 phone=0511234567               -> invalid_field phone
    card c35 country=XX                     -> invalid_field country
    card c36 embossed_name=ABCDEFGHIJKLMNOPQRSTUVWXYZA -> invalid_field embossed_name
    hold h1 card=c40 amount=0               -> invalid_field amount_minor
    hold h2 card=c40 currency=pen           -> invalid_field currency
    hold h3 card=c40 merchant_name=         -> invalid_field merchant_name
    hold h4 card=c40 mcc=54                 -> invalid_field mcc
    hold h5 card=c40 approval_code=abc123   -> invalid_field approval_code
    hold h6 card=c40 stan=12345             -> invalid_field stan
    hold h7 card=c40 rrn=1                  -> invalid_field rrn
    hold h8 card=c40 approved_at=2026-11-19 -> invalid_field approved_at
    hold h9 card=c40 expires_at=2026-11-19T10:00:00Z -> invalid_field expires_at
    token t1 card=c40 requestor=Apple       -> invalid_field requestor
    token t2 card=c40 status=on             -> invalid_field status
    token t3 card=c40 expiry=3000           -> invalid_field expiry
    card c40                                -> migrated
    `,
  ));

test('the edges of the rules are inside', () =>
  play(
    cell,
    `
    full
    card c1 posted=9007199254740991 -> migrated
    card c2 posted=-9007199254740991 -> migrated
    card c3 account_type=credit posted=-5 limit=9007199254740991 daily_limit_minor=0 monthly_limit_minor=9007199254740991 -> migrated
    card c4 v=9007199254740991 expiry=0001 pan_sequence=99 service_code=000 pin_tries_left=0 -> migrated
    card c5 pin_format=iso0 pin_value=0123456789abcDEF pin_key_id=k.1 -> migrated
    card c6 pin_format=iso4 pin_value=0123456789abcDEF0123456789abcDEF pin_key_id=k -> migrated
    card c7 pin_format=ibm3624 pin_value=123456789012 pin_key_id=k -> migrated
    card c8 issued_on=0001-01-01 birth_date=0001-12-31 -> migrated
    card c9 issued_on=9999-12-31 birth_date=2000-02-29 -> migrated
    card c10 email=a@b.c phone=+1234567 city=" " given_names="Ñ, 𝒳 \\" -> migrated
    card c11 pan=${withCheckDigit('510510000000')} -> migrated
    card c12 pan=${withCheckDigit('450917001234567890')} -> migrated
    card c13 currency=JPY posted=1 -> migrated
    hold h1 card=c1 amount=9007199254740991 expires_at=2026-11-19T10:00:01Z -> migrated
    token t1 card=c2 device_id= status=deleted expiry=9912 -> migrated
    `,
  ));

test('bin_not_declared: a well formed PAN of no declared range', () =>
  play(
    cell,
    `
    full bin_ranges=45091700;51051011
    card c1                                        -> migrated
    card c2 pan=${withCheckDigit('510510220000000')} -> bin_not_declared
    card c3 pan=${withCheckDigit('510510110000000')} -> migrated
    card c4 pan=4111111111111111                   -> bin_not_declared
    `,
  ));

test('duplicate_row: the earlier accepted line counts, a rejected one does not', () =>
  play(
    cell,
    `
    full
    card c1 city=            -> migrated
    card c1 city=Tumbes      -> duplicate_row
    card c1 v=01             -> duplicate_row
    card c2 v=7 currency=ZZZ -> invalid_field currency
    card c2 v=7              -> migrated
    hold h1 card=c1          -> migrated
    hold h1 card=c2          -> duplicate_row
    hold h2 card=none        -> unknown_card
    hold h2 card=c1          -> migrated
    token t1 card=c1         -> migrated
    token t1 card=c1         -> duplicate_row
    token h1 card=c1         -> migrated
    `,
  ));

test('account_conflict: other terms in the file, other type or currency here', () =>
  play(
    cell,
    `
    full
    card c1 account=a posted=5                      -> migrated
    card c2 account=a posted=5                      -> migrated
    card c3 account=a posted=6                      -> account_conflict
    card c4 account=a posted=5 currency=USD         -> account_conflict
    card c5 account=a posted=5 account_type=prepaid -> account_conflict
    card c6 account=b account_type=credit limit=10  -> migrated
    card c7 account=b account_type=credit limit=11  -> account_conflict
    card c8 account=a posted=+5                     -> invalid_field posted_minor
    card c9 account=a posted=05                     -> migrated
    delta
    card d1 account=a posted=5 currency=USD         -> account_conflict
    card d2 account=a posted=5 account_type=prepaid -> account_conflict
    card d3 account=a posted=9                      -> migrated
    card d4 account=b account_type=credit limit=99  -> migrated
    `,
  ));

test('pan_conflict: a PAN stays the card that had it first', () =>
  play(
    cell,
    `
    full
    card c1              -> migrated
    card c2 pan=c1       -> pan_conflict
    card c2              -> migrated
    delta
    card c3 pan=c1       -> pan_conflict
    card c1 v=2 pan=new  -> updated
    card c4 pan=c1       -> pan_conflict
    delta
    card c5 pan=c1       -> pan_conflict
    card c5 pan=new      -> pan_conflict
    card c1 v=3 pan=c1   -> updated
    `,
  ));

test('stale_version, version_conflict, unknown_card and currency_mismatch', () =>
  play(
    cell,
    `
    full
    card c1 v=5                    -> migrated
    card c2                        -> migrated
    card c3 op=status              -> unknown_card
    card c4 op=close               -> unknown_card
    hold h1 card=c9                -> unknown_card
    token t1 card=c9               -> unknown_card
    hold h2 card=c2 currency=USD   -> currency_mismatch
    delta
    card c1 v=4                    -> stale_version
    card c2 city=Puno              -> version_conflict
    card c2                        -> unchanged
    card c1 v=5                    -> unchanged
    `,
  ));
