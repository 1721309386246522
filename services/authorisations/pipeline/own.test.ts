import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';

const cell = await testCell();
await setTestRange(cell);
let plays = 0;

/** Brings cards in and plays messages about them. */
function play(name: string, cards: string, messages: string): void {
  void test(name, async (t) => {
    const { pipeline } = await testPipeline(t, cell);
    const prefix = `p${++plays}`;
    await MessagePlay.cards(cell, `full\n${cards}`, prefix);
    await new MessagePlay(cell, pipeline, prefix).play(messages);
  });
}

suite('a range of our own', () => {
  play(
    'a hold reserves funds until it is reversed or cleared',
    'card c1 posted=100',
    `
    authorise  a1 c1 60    -> 00
    balance    c1 posted=100 held=60
    authorise  a2 c1 50    -> 51
    reverse    a1          -> 00
    balance    c1 posted=100 held=0
    authorise  a3 c1 50    -> 00
    clear      a3 50       -> 00
    balance    c1 posted=50 held=0
    reverse    a3          -> 00
    balance    c1 posted=50 held=0
    `,
  );

  play(
    'each reason to decline, by its code',
    `
    card lost status=lost
    card stolen status=stolen
    card closed status=closed
    card blocked status=blocked
    card damaged status=damaged
    card inactive status=inactive
    card expired status=expired
    card past expiry=2301
    card good posted=100
    card daily posted=1000 daily_limit_minor=100
    card monthly posted=1000 monthly_limit_minor=100
    `,
    `
    authorise  a01 lost 10         -> 41
    authorise  a02 stolen 10       -> 43
    authorise  a03 closed 10       -> 14
    authorise  a04 blocked 10      -> 62
    authorise  a05 damaged 10      -> 62
    authorise  a06 inactive 10     -> 78
    authorise  a07 expired 10      -> 54
    authorise  a08 past 10         -> 54
    authorise  a09 good 10 14=3011 -> 54
    authorise  a10 good 10 14=2908 -> 00
    authorise  a11 good 10 49=840  -> 57
    authorise  a12 good 91         -> 51
    authorise  a13 nobody 10       -> 14
    authorise  a14 daily 101       -> 61
    authorise  a15 daily 100       -> 00
    authorise  a16 daily 1         -> 61
    authorise  a17 daily 5 49=840  -> 57
    authorise  a18 monthly 101     -> 61
    pay        a19 good 10 3=310000 -> 30
    `,
  );

  play(
    'a repeat is answered as its original was and moves nothing; other content is 94',
    'card c1 posted=100',
    `
    authorise  a1 c1 60    -> 00
    repeat     a1          -> 00
    balance    c1 posted=100 held=60
    alter      a1 61       -> 94
    authorise  a2 c1 60    -> 51
    reverse    a1          -> 00
    repeat     a2          -> 51
    repeat     a1          -> 00
    balance    c1 posted=100 held=0
    pay        p1 c1 30    -> 00
    repeat     p1          -> 00
    alter      p1 31       -> 94
    balance    c1 posted=70 held=0
    `,
  );

  play(
    'a partial reversal lowers the hold, and none raises it',
    'card c1 posted=100',
    `
    authorise  a1 c1 60       -> 00
    reverse    a1 left=20     -> 00
    balance    c1 posted=100 held=20
    repeat     a1             -> 00
    reverse    a1 left=40     -> 00
    balance    c1 posted=100 held=20
    clear      a1 20          -> 00
    balance    c1 posted=80 held=0
    `,
  );

  play(
    'a reversal of what was paid at once gives it back, once',
    'card c1 posted=100',
    `
    pay        p1 c1 60       -> 00
    balance    c1 posted=40 held=0
    reverse    p1 left=25     -> 00
    balance    c1 posted=75 held=0
    reverse    p1             -> 00
    balance    c1 posted=100 held=0
    reverse    p1             -> 00
    balance    c1 posted=100 held=0
    `,
  );

  play(
    'a reversal without field 90 finds the hold by RRN and approval code',
    'card c1 posted=100',
    `
    authorise  a1 c1 60       -> 00
    reverse    a1 90=         -> 00
    balance    c1 posted=100 held=0
    `,
  );

  play(
    'a reversal that comes before its original is remembered and the original declined',
    'card c1 posted=100',
    `
    prepare    a1 c1 60
    reverse    a1             -> 00
    send       a1             -> 12
    repeat     a1             -> 12
    balance    c1 posted=100 held=0
    `,
  );

  play(
    'a clearing posts what it says, above and below the hold, also over the balance',
    'card c1 posted=100',
    `
    authorise  a1 c1 60    -> 00
    clear      a1 70       -> 00
    balance    c1 posted=30 held=0
    authorise  a2 c1 30    -> 00
    clear      a2 20       -> 00
    balance    c1 posted=10 held=0
    force      f1 c1 50 38=OFF001 -> 00
    balance    c1 posted=-40 held=0
    authorise  a3 c1 1     -> 51
    credit     r1 c1 45    -> 00
    repeat     r1          -> 00
    balance    c1 posted=5 held=0
    reverse    r1          -> 00
    balance    c1 posted=-40 held=0
    `,
  );

  play(
    'an advice is entered over the balance, and not doubled when its request is known',
    'card c1 posted=100',
    `
    advise     v1 c1 150 38=STIP01        -> 00
    repeat     v1                         -> 00
    balance    c1 posted=100 held=150
    reverse    v1                         -> 00
    balance    c1 posted=100 held=0
    authorise  a1 c1 60                   -> 00
    advise     v2 c1 60 of=a1             -> 00
    balance    c1 posted=100 held=60
    authorise  a2 c1 60                   -> 51
    advise     v3 c1 60 of=a2 38=STIP02   -> 00
    balance    c1 posted=100 held=120
    clear      v3 60                      -> 00
    balance    c1 posted=40 held=60
    `,
  );

  play(
    'an advice under another approval code takes the hold with it; one of a decline releases it',
    'card c1 posted=100',
    `
    authorise  a1 c1 60                   -> 00
    advise     v1 c1 60 of=a1 38=STIP03   -> 00
    balance    c1 posted=100 held=60
    clear      v1 55                      -> 00
    balance    c1 posted=45 held=0
    authorise  a2 c1 20                   -> 00
    advise     v2 c1 20 of=a2 39=05       -> 00
    balance    c1 posted=45 held=0
    repeat     a2                         -> 00
    `,
  );

  play(
    'an advice under another approval code holds nothing of what was paid at once',
    'card c1 posted=100',
    `
    pay        p1 c1 60                   -> 00
    force      v1 c1 60 of=p1 38=STIP05   -> 00
    balance    c1 posted=40 held=0
    `,
  );

  play(
    'an advice that is faster than its request decides it',
    'card c1 posted=100',
    `
    prepare    a1 c1 150             
    advise     v1 c1 150 of=a1 38=STIP04  -> 00
    send       a1                         -> 00
    balance    c1 posted=100 held=150
    `,
  );

  play(
    'credit is spent down to its limit',
    'card c1 account_type=credit posted=-80 limit=100',
    `
    authorise  a1 c1 21    -> 51
    authorise  a2 c1 20    -> 00
    pay        p1 c1 1     -> 51
    credit     r1 c1 30    -> 00
    pay        p2 c1 30    -> 00
    balance    c1 posted=-80 held=20
    `,
  );

  play(
    'a reversal gives the day its amount back',
    'card c1 posted=1000 daily_limit_minor=100',
    `
    authorise  a1 c1 80       -> 00
    authorise  a2 c1 30       -> 61
    reverse    a1 left=50     -> 00
    authorise  a3 c1 30       -> 00
    clear      a3 30          -> 00
    authorise  a4 c1 20       -> 00
    authorise  a5 c1 1        -> 61
    `,
  );

  play(
    'holds that a file brought are found by RRN and approval code, or by RRN and trace number',
    `
    card c1 posted=100
    hold h1 card=c1 amount=50 rrn=FILE00000001 approval_code=FILE01 stan=000501
    hold h2 card=c1 amount=20 rrn=FILE00000002 approval_code=FILE02 stan=000502
    hold h3 card=c1 amount=10 rrn=FILE00000003 approval_code=FILE03 stan=000503
    `,
    `
    balance    c1 posted=100 held=80
    force      f1 c1 55 37=FILE00000001 38=FILE01                    -> 00
    balance    c1 posted=45 held=30
    prepare    a2 c1 20 37=FILE00000002 11=000502               
    reverse    a2                                                    -> 00
    balance    c1 posted=45 held=10
    prepare    a3 c1 10 37=FILE00000003 38=FILE03               
    reverse    a3 90= left=4                                         -> 00
    balance    c1 posted=45 held=4
    `,
  );

  test('what is recorded of a message holds no card data', async (t) => {
    const { pipeline } = await testPipeline(t, cell);
    await MessagePlay.cards(cell, 'full\ncard c1 posted=100', 'kept');
    const play = new MessagePlay(cell, pipeline, 'kept');
    await play.play(`
      authorise  a1 c1 60 14=2908 52=0123456789ABCDEF 55=9F260811   -> 00
      authorise  a2 c2 60                                           -> 14
    `);
    const rows = await cell.admin.rows<{ row: string; request: Buffer }>`
      select to_jsonb(m)::text as row, request from authorisations.messages m order by received_at desc limit 2`;
    for (const { row, request } of rows)
      for (const secret of [play.pan('c1'), play.pan('c2'), '0123456789ABCDEF', '9F260811'])
        assert.ok(!row.includes(secret) && !request.toString('latin1').includes(secret));
  });
});
