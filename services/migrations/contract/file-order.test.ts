import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrangements } from '#tools/testing/arrangements.ts';
import { play, playThrough } from '#tools/testing/play.ts';

/** Lines of one file that have to do with each other end as if they were taken one by one, in file order. */
const everyWay = await arrangements();

const stories: Record<string, string> = {
  'versions of one card': `
    full
    card c1 v=1 city=Lima  -> migrated
    card c1 v=2 city=Puno  -> updated
    card c1 v=1 city=Lima  -> duplicate_row
    card c1 v=3 op=status status=blocked -> updated
    card c1 v=2 city=Cusco -> duplicate_row
    card c2 v=4            -> migrated
    card c2 v=3            -> stale_version
    card c2 v=2            -> stale_version
    card c2 v=5 op=close   -> updated
    delta
    card c1 v=4 city=Ica   -> updated
    card c1 v=5 op=close   -> updated
    card c1 v=6 pan=new    -> updated
    card c1 v=5 op=close   -> duplicate_row
    card c3 pan=new        -> pan_conflict
  `,
  'a card number moves between cards': `
    full
    card c1                -> migrated
    card c2 pan=c1         -> pan_conflict
    card c1 v=2 pan=other  -> updated
    card c2 pan=c1         -> pan_conflict
    card c2 pan=other      -> pan_conflict
    card c2                -> migrated
    card c1 v=3 pan=c2     -> pan_conflict
    card c1 v=3 pan=c1     -> updated
    delta
    card c3 pan=other      -> pan_conflict
    card c3                -> migrated
  `,
  'a status line keeps the PAN it names from others': `
    full
    card c1                              -> migrated
    card c1 v=2 op=status pan=named      -> updated
    card c2 pan=named                    -> pan_conflict
    card c3 pan=c1                       -> pan_conflict
    delta
    card c2 pan=named                    -> pan_conflict
    card c1 v=3 pan=named                -> updated
  `,
  'a rejected line reserves neither id, PAN nor account': `
    full
    card c1 account=a posted=1 country=XX -> invalid_field country
    card c2 account=a posted=2 pan=c1     -> migrated
    card c1 account=a posted=1            -> account_conflict
    card c1 account=b posted=1 pan=c2     -> migrated
    card c3 account=c posted=5 pan=c1     -> pan_conflict
    card c4 account=c posted=6            -> migrated
    card c5 account=c posted=5            -> account_conflict
    card c6 op=status account=d posted=9  -> unknown_card
    card c7 account=d posted=8            -> migrated
  `,
  'cards share an account, its balance counts once': `
    full
    card c1 account=a posted=70 -> migrated
    card c2 account=b posted=1  -> migrated
    card c3 account=a posted=70 -> migrated
    card c4 account=a posted=71 -> account_conflict
    card c5 account=a posted=70 -> migrated
    delta
    card c5 v=2 account=a posted=50 -> updated
    card c3 account=a posted=70 -> account_conflict
    card c3 account=a posted=50 -> version_conflict
    card c1 v=2 account=a posted=50 -> updated
  `,
  'holds and tokens before their card': `
    full
    hold h1 card=c1 amount=10  -> migrated
    token t1 card=c1           -> migrated
    hold h2 card=c2            -> unknown_card
    hold h3 card=c3            -> unknown_card
    token t1 card=c4           -> duplicate_row
    card c1                    -> migrated
    card c2 country=XX         -> invalid_field country
    card c4                    -> migrated
    hold h1 card=c4            -> duplicate_row
    hold h2 card=c4 amount=7   -> migrated
    hold h2 card=c1            -> duplicate_row
    hold h3 card=c4 currency=USD -> currency_mismatch
    hold h3 card=c4 amount=5   -> migrated
  `,
  'a card moves to another account, its holds follow the last': `
    full
    card c1 account=a currency=PEN -> migrated
    hold h1 card=c1 currency=USD   -> migrated
    hold h2 card=c1 currency=PEN   -> currency_mismatch
    card c1 v=2 account=b currency=USD -> updated
    delta
    card c1 v=3 account=a currency=PEN -> updated
    hold h1 card=c1 currency=PEN   -> updated
    hold h3 card=c1 currency=USD   -> currency_mismatch
  `,
  'holds and tokens over three files': `
    full
    card c1 -> migrated
    card c2 -> migrated
    hold h1 card=c1 amount=10 -> migrated
    token t1 card=c1          -> migrated
    delta
    hold h1 card=c1 amount=10 -> unchanged
    token t1 card=c1          -> unchanged
    hold h2 card=c1 amount=4  -> migrated
    delta
    hold h1 card=c2 amount=30 -> updated
    token t1 card=c2 status=suspended -> updated
    hold h2 card=c9           -> unknown_card
  `,
  'a line is judged by what came before it, not by what comes after': `
    full
    card c1 op=status status=blocked        -> unknown_card
    card c1                                 -> migrated
    card c2 op=close account=z currency=USD -> unknown_card
    card c3 account=z                       -> migrated
    delta
    card c1                                 -> unchanged
    card c1 v=2                             -> updated
    card c3 account=z city=Ilo              -> version_conflict
    card c3 v=2 account=z                   -> updated
    card c4 pan=named v=9 op=close          -> unknown_card
    card c3 v=3 op=status pan=named account=z -> updated
    card c4 pan=named                       -> pan_conflict
  `,
  'status and close change the status alone': `
    full
    card c1 product=gold                            -> migrated
    delta
    card c1 v=2 op=status status=lost product=black -> updated
    card c1 v=3 op=close status=active              -> updated
    card c1 v=3 op=close status=active              -> duplicate_row
    card c2 op=close                                -> unknown_card
    card c2                                         -> migrated
    card c2 v=2 op=close                            -> updated
  `,
};

for (const [story, script] of Object.entries(stories))
  test(story, async (t) => {
    for (const { name, cell, options } of everyWay) await t.test(name, () => play(cell, script, options));
  });

test('a cardholder stated twice with other content is left as the last accepted line says', async () => {
  for (const { name, cell, options } of everyWay) {
    const [, { lines }] = await playThrough(
      cell,
      `
      full
      card c1 holder=h city=Lima      -> migrated
      card c2 holder=h city=Lima      -> migrated
      delta
      card c3 holder=h city=Puno      -> migrated
      card c4 holder=h city=Tacna     -> migrated
      card c1 v=2 holder=h city=Ilo   -> updated
      card c5 holder=h city=No pan=c1 -> pan_conflict
      card c2 holder=h city=Nein      -> version_conflict
      card c3 v=2 holder=h city=Non op=status -> updated
      `,
      options,
    );
    const [{ city }] = await cell.admin.rows<{ city: string }>`
      select city from cardholders.cardholders where cardholder_id = ${lines[0].cardholderId}`;
    assert.equal(city, 'Ilo', name);
  }
});

test('status and close leave every other column of a card alone', async () => {
  for (const { cell, options } of everyWay) {
    const cardOf = async (cardId: string) => {
      const [card] = await cell.admin.rows`
        select status, status_reason, version, product, expiry, pan_index, account_id, cardholder_id,
               service_code, daily_limit_minor, embossed_name
          from cards.cards where card_id = ${cardId}`;
      return card;
    };
    const [{ lines }] = await playThrough(
      cell,
      `full\n card c1 product=gold status=active status_reason=none -> migrated`,
    );
    const before = await cardOf(lines[0].cardId);
    // The same script once more is a namespace of its own, so the delta repeats the full file's line.
    const [first, , closed] = await playThrough(
      cell,
      `
      full
      card c1 product=gold status=active status_reason=none -> migrated
      delta
      card c1 v=2 op=status status=stolen status_reason="taken away" product=black expiry=3001 pan=x account=y holder=z service_code=101 embossed_name=X daily_limit_minor=5 -> updated
      delta
      card c1 v=3 op=close status=active status_reason="" product=green -> updated
      `,
      options,
    );
    const after = await cardOf(closed.lines[0].cardId);
    const own = ['pan_index', 'account_id', 'cardholder_id'];
    const common = (card: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(card).filter(([name]) => !own.includes(name)));
    assert.deepEqual(common(after), {
      ...common(before),
      status: 'closed',
      status_reason: null,
      version: 3n,
    });
    assert.equal(after['account_id'], first.lines[0].accountId);
    assert.equal(after['cardholder_id'], first.lines[0].cardholderId);
  }
});
