import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { seed } from '#tools/testing/seed.ts';
import { serveLedger } from './main.ts';
import {
  type AccountLine,
  accountRows,
  bytesOf,
  type HoldLine,
  holdRows,
  idOf,
  type MovementLine,
  movementRows,
} from './test-rows.ts';

/** Messages of the network, told as examples, and many of them at once. */
const cell = await testCell();
const { ledger } = cell.clients;
const live = cell.opened.calls.client(serveLedger(cell.opened.connect('ledger', 8)), 'authorisations');

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
let imports = 0;
let names = 0;

async function state(accounts: readonly AccountLine[], holds: readonly HoldLine[] = [], asOfMs = 0) {
  const of = { importNumber: ++imports, asOf: new Date(asOfMs) };
  await ledger.stateAccounts({ ...of, rows: accountRows(accounts) });
  return { ...of, exceptions: await ledger.importHolds({ ...of, rows: holdRows(holds) }) };
}

/** A new account with a balance, and what happens to it. */
async function newAccount(postedMinor: number, more: Partial<AccountLine> = {}) {
  const account = `account ${++names}`;
  await state([{ account, postedMinor, ...more }]);
  const line = (told: Omit<MovementLine, 'account'>): MovementLine => ({ account, ...told });
  return { account, line };
}

async function move(...lines: MovementLine[]): Promise<string[]> {
  return (await live.moveForMessages(movementRows(lines))).map(({ verdict }) => verdict);
}

async function balance(account: string): Promise<[posted: bigint, held: bigint]> {
  const [{ postedMinor, heldMinor }] = await live.balancesOf({ accountIds: [idOf(account)] });
  return [postedMinor, heldMinor];
}

test('the life of a purchase: held, lowered, cleared above what was held, refunded', async () => {
  const { account, line } = await newAccount(100);
  const hold = `${account} h`;
  const steps: [MovementLine, string, bigint, bigint][] = [
    [line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 60 }), 'moved', 100n, 60n],
    [line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 60 }), 'already', 100n, 60n],
    [line({ movement: `${account} 2`, kind: 'inspect', amountMinor: 41 }), 'insufficient_funds', 100n, 60n],
    [line({ movement: `${account} 2`, kind: 'inspect', amountMinor: 40 }), 'moved', 100n, 60n],
    [line({ movement: `${account} 3`, kind: 'release', hold, amountMinor: 45 }), 'moved', 100n, 45n],
    [line({ movement: `${account} 3`, kind: 'release', hold, amountMinor: 45 }), 'already', 100n, 45n],
    [
      line({ movement: `${account} 4`, kind: 'post', hold, amountMinor: 101 }),
      'insufficient_funds',
      100n,
      45n,
    ],
    [line({ movement: `${account} 4`, kind: 'post', hold, amountMinor: 99 }), 'moved', 1n, 0n],
    [line({ movement: `${account} 4`, kind: 'post', hold, amountMinor: 99 }), 'already', 1n, 0n],
    [line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 60 }), 'already', 1n, 0n],
    [line({ movement: `${account} 5`, kind: 'hold', hold, amountMinor: 1 }), 'closed', 1n, 0n],
    [line({ movement: `${account} 6`, kind: 'refund', amountMinor: 99 }), 'moved', 100n, 0n],
    [line({ movement: `${account} 7`, kind: 'post', amountMinor: 130, force: true }), 'moved', -30n, 0n],
    [
      line({ movement: `${account} 8`, kind: 'refund', amountMinor: 1, currency: 'USD' }),
      'wrong_currency',
      -30n,
      0n,
    ],
  ];
  for (const [row, verdict, posted, held] of steps) {
    assert.deepEqual(
      [await move(row), await balance(account)],
      [[verdict], [posted, held]],
      JSON.stringify(row),
    );
    await assertLedgerLaws(cell);
  }
});

test('a credit account may owe up to its limit', async () => {
  const { account, line } = await newAccount(-20, { type: 'credit', limitMinor: 50 });
  const [refused, taken] = await live.moveForMessages(
    movementRows([
      line({ movement: `${account} 1`, kind: 'hold', hold: `${account} 1`, amountMinor: 31 }),
      line({ movement: `${account} 2`, kind: 'hold', hold: `${account} 2`, amountMinor: 30 }),
    ]),
  );
  assert.deepEqual([refused.verdict, refused.availableMinor], ['insufficient_funds', 30n]);
  assert.deepEqual([taken.verdict, taken.availableMinor], ['moved', 0n]);
});

test('rows of one call see what those before them did, in the order of their lines', async () => {
  const { account, line } = await newAccount(10);
  const rows = movementRows([
    line({ movement: `${account} 1`, kind: 'hold', hold: `${account} 1`, amountMinor: 10 }),
    line({ movement: `${account} 2`, kind: 'hold', hold: `${account} 2`, amountMinor: 1 }),
    line({ movement: `${account} 3`, kind: 'release', hold: `${account} 1`, amountMinor: 0 }),
    line({ movement: `${account} 4`, kind: 'hold', hold: `${account} 4`, amountMinor: 10 }),
    line({ movement: `${account} 4`, kind: 'hold', hold: `${account} 4`, amountMinor: 10 }),
  ]);
  const outcomes = await live.moveForMessages(rows);
  assert.deepEqual(
    outcomes.map(({ verdict }) => verdict),
    ['moved', 'insufficient_funds', 'moved', 'moved', 'already'],
  );
  rows.columns.line.clear();
  for (const line of [5, 4, 3, 2, 1]) rows.columns.line.int4(line);
  assert.deepEqual(
    (await live.moveForMessages(rows)).map(({ line, verdict }) => [line, verdict]),
    [
      [1, 'already'],
      [2, 'already'],
      [3, 'already'],
      [4, 'insufficient_funds'],
      [5, 'already'],
    ],
  );
  assert.deepEqual(await balance(account), [10n, 10n]);
});

test('a release that comes before its hold is remembered', async () => {
  const { account, line } = await newAccount(100);
  const release = (hold: string, amountMinor: number) =>
    line({ movement: `${hold} release`, kind: 'release', hold, amountMinor });
  const place = (hold: string) => line({ movement: `${hold} place`, kind: 'hold', hold, amountMinor: 30 });
  const [whole, part] = [`${account} whole`, `${account} part`];
  assert.deepEqual(await move(release(whole, 0), release(part, 12)), ['no_hold', 'no_hold']);
  assert.deepEqual(await move(place(whole), place(part)), ['closed', 'moved']);
  assert.deepEqual(await balance(account), [100n, 12n]);
  assert.deepEqual(await move(place(part), release(part, 12)), ['already', 'already']);
  await assertLedgerLaws(cell);
});

test('a clearing that comes before its hold leaves nothing to hold', async () => {
  const { account, line } = await newAccount(100);
  const hold = `${account} h`;
  assert.deepEqual(await move(line({ movement: `${account} c`, kind: 'post', hold, amountMinor: 30 })), [
    'moved',
  ]);
  assert.deepEqual(await move(line({ movement: `${account} h`, kind: 'hold', hold, amountMinor: 30 })), [
    'closed',
  ]);
  assert.deepEqual(await balance(account), [70n, 0n]);
});

test('a hold of a file is found by its RRN and approval code, or by its trace number', async () => {
  const account = `account ${++names}`;
  const card = `card of ${account}`;
  const hold = (n: number): HoldLine => ({
    hold: `${account} o${n}`,
    live: `${account} live ${n}`,
    card,
    account,
    amountMinor: 10,
    purchase: `${n}`,
  });
  await state([{ account, postedMinor: 100 }], [hold(1), hold(2), hold(3)]);
  const line = (told: Omit<MovementLine, 'account' | 'card'>): MovementLine => ({ account, card, ...told });
  const movement = (n: number) => `${account} ${n}`;
  assert.deepEqual(
    await move(
      line({
        movement: movement(1),
        kind: 'hold',
        hold: `${account} live 1`,
        purchase: '1',
        by: 'approval code',
        amountMinor: 10,
      }),
      line({
        movement: movement(2),
        kind: 'post',
        hold: null,
        purchase: '1',
        by: 'approval code',
        amountMinor: 12,
      }),
      line({
        movement: movement(3),
        kind: 'release',
        hold: null,
        purchase: '2',
        by: 'trace number',
        amountMinor: 4,
      }),
      line({
        movement: movement(4),
        kind: 'release',
        hold: null,
        purchase: '9',
        by: 'trace number',
        amountMinor: 0,
      }),
    ),
    ['already', 'moved', 'moved', 'no_hold'],
  );
  assert.deepEqual(await balance(account), [88n, 14n]);
  await assertLedgerLaws(cell);
});

test('a hold stays with its account when its card has moved to another one', async () => {
  const { account, line } = await newAccount(100);
  const { account: other, line: onOther } = await newAccount(100);
  const hold = `${account} h`;
  assert.deepEqual(await move(line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 60 })), [
    'moved',
  ]);
  assert.deepEqual(
    await move(onOther({ movement: `${account} 2`, kind: 'release', hold, amountMinor: 50 })),
    ['moved'],
  );
  assert.deepEqual(await move(onOther({ movement: `${account} 3`, kind: 'post', hold, amountMinor: 100 })), [
    'moved',
  ]);
  assert.deepEqual(
    [await balance(account), await balance(other)],
    [
      [100n, 0n],
      [0n, 0n],
    ],
  );
  await assertLedgerLaws(cell);
});

test('a hold that a message placed and a file names is one hold', async () => {
  const { account, line } = await newAccount(100);
  const card = `card of ${account}`;
  const hold = `${account} live`;
  const named: HoldLine = { hold: `${account} o`, live: hold, card, account, amountMinor: 30 };
  const place = line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 30, movedAtMs: 1000 });
  assert.deepEqual(await move(place), ['moved']);
  const { exceptions, ...of } = await state([{ account, postedMinor: 100 }], [named], 2000);
  assert.deepEqual(
    exceptions.map(({ outcome }) => outcome),
    ['updated'],
  );
  assert.deepEqual(await balance(account), [100n, 30n]);
  assert.deepEqual(await ledger.importHolds({ ...of, rows: holdRows([named]) }), exceptions);
  const { held } = await ledger.totalsOfImport(of);
  assert.equal(held['PEN'], 30n);
  assert.deepEqual(await move(place), ['already']);
  assert.deepEqual(await move(line({ movement: `${account} 2`, kind: 'release', hold, amountMinor: 0 })), [
    'moved',
  ]);
  assert.deepEqual((await ledger.totalsOfImport(of)).held, held, 'the books speak of the moment of the file');
  await assertLedgerLaws(cell);
  await ledger.withdrawImport(of);
  assert.deepEqual(await balance(account), [100n, 0n]);
  await assertLedgerLaws(cell);
});

test('what was closed since the moment of a file stays closed; what was closed before is as the file says', async () => {
  const { account, line } = await newAccount(100);
  const card = `card of ${account}`;
  const [before, since] = [`${account} before`, `${account} since`];
  for (const [hold, movedAtMs] of [
    [before, 4000],
    [since, 6000],
  ] as const)
    assert.deepEqual(
      await move(
        line({ movement: `${hold} 1`, kind: 'hold', hold, amountMinor: 30, movedAtMs: 1000 }),
        line({ movement: `${hold} 2`, kind: 'release', hold, amountMinor: 0, movedAtMs }),
      ),
      ['moved', 'moved'],
    );
  const named = (live: string): HoldLine => ({ hold: `${live} o`, live, card, account, amountMinor: 30 });
  const { exceptions: _, ...of } = await state(
    [{ account, postedMinor: 100 }],
    [before, since].map(named),
    5000,
  );
  assert.deepEqual(await balance(account), [100n, 30n]);
  assert.equal((await ledger.totalsOfImport(of)).held['PEN'], 60n);
});

test('a release between the cards and the holds of a file meets the hold when it comes', async () => {
  const { account, line } = await newAccount(100);
  const hold = `${account} live`;
  const release = line({ movement: `${account} 1`, kind: 'release', hold, amountMinor: 10, movedAtMs: 6000 });
  assert.deepEqual(await move({ ...release, covered: true }), ['no_hold']);
  const named: HoldLine = {
    hold: `${account} o`,
    live: hold,
    card: `card of ${account}`,
    account,
    amountMinor: 30,
  };
  await state([{ account, postedMinor: 100 }], [named], 5000);
  assert.deepEqual(await balance(account), [100n, 10n]);
});

test('a file states the balance of a moment; what messages moved since comes on top, what came before is in it', async () => {
  const { account, line } = await newAccount(100);
  const post = (n: number, movedAtMs: number, covered = false) =>
    line({ movement: `${account} ${n}`, kind: 'post', amountMinor: n, movedAtMs, covered });
  assert.deepEqual(await move(post(1, 4000), post(2, 5000), post(4, 6000)), ['moved', 'moved', 'moved']);
  const { exceptions: _, ...of } = await state([{ account, postedMinor: 99 }], [], 5000);
  assert.deepEqual(await balance(account), [93n, 0n]);
  assert.deepEqual(await move(post(8, 4999, true), post(16, 5000, true)), ['covered', 'moved']);
  // Not followed but told too late: the file does not know of it.
  assert.deepEqual(await move(post(32, 4999)), ['moved']);
  assert.deepEqual(await balance(account), [45n, 0n]);
  assert.equal((await ledger.totalsOfImport(of)).posted['PEN'], 99n);
  await ledger.withdrawImport(of);
  assert.deepEqual(await balance(account), [45n, 0n]);
  await assertLedgerLaws(cell);
});

test('an account that messages moved outlives the import that opened it, and is stated again by the next', async () => {
  const account = `account ${++names}`;
  const { exceptions: _, ...of } = await state([{ account, postedMinor: 100 }], [], 5000);
  const post: MovementLine = {
    account,
    movement: `${account} 1`,
    kind: 'post',
    amountMinor: 30,
    movedAtMs: 6000,
  };
  assert.deepEqual(await move(post), ['moved']);
  await ledger.withdrawImport(of);
  assert.deepEqual(await balance(account), [-30n, 0n]);
  await assertLedgerLaws(cell);
  assert.equal(await ledger.hasEarlierAccounts({ importNumber: imports + 1 }), true);
  await state([{ account, postedMinor: 100 }], [], 5000);
  assert.deepEqual(await balance(account), [70n, 0n]);
  await assertLedgerLaws(cell);
});

test('expired holds are released, so many at a time; `since` leaves older ones to a call without it', async () => {
  const { account, line } = await newAccount(100);
  const hoursAgo = (hours: number) => Date.now() - hours * HOUR_MS;
  const rows = [1, 2, 3, 4, 5].map((n) =>
    line({
      movement: `${account} ${n}`,
      kind: 'hold',
      hold: `${account} ${n}`,
      amountMinor: n,
      expiresAtMs: hoursAgo(4.5 - n),
    }),
  );
  await move(...rows);
  const release = async (limit: number, since?: Date) =>
    (await live.releaseExpiredHolds({ since, limit })).released;
  assert.equal(await release(10, new Date(hoursAgo(2.5))), 2);
  assert.deepEqual(await balance(account), [100n, 8n]);
  assert.equal(await release(1), 1);
  assert.equal(await release(10), 1);
  assert.equal(await release(10), 0);
  assert.deepEqual(await balance(account), [100n, 5n]);
  const late = line({ movement: `${account} late`, kind: 'post', hold: `${account} 1`, amountMinor: 95 });
  assert.deepEqual(await move(late, ...rows), ['moved', ...rows.map(() => 'already')]);
  await assertLedgerLaws(cell);
});

test('holds expire by the clock of the database, whatever clock a process has', async (t) => {
  const { account, line } = await newAccount(100);
  const hold = (name: string, expiresAtMs: number) =>
    line({
      movement: `${account} ${name}`,
      kind: 'hold',
      hold: `${account} ${name}`,
      amountMinor: 10,
      expiresAtMs,
    });
  const nowMs = Date.now();
  await move(hold('good', nowMs + 7 * DAY_MS), hold('over', nowMs - HOUR_MS));
  t.mock.timers.enable({ apis: ['Date'], now: nowMs + 8 * DAY_MS });
  const { released, upTo } = await live.releaseExpiredHolds({ limit: 10 });
  assert.equal(released, 1);
  assert.ok(Math.abs(upTo.getTime() - nowMs) < HOUR_MS, 'it is told what that clock showed');
  assert.deepEqual(await balance(account), [100n, 10n]);
  t.mock.timers.setTime(nowMs - 8 * DAY_MS);
  await move(hold('gone', nowMs - HOUR_MS));
  assert.equal((await live.releaseExpiredHolds({ limit: 10 })).released, 1);
  assert.deepEqual(await balance(account), [100n, 10n]);
});

test('unknown accounts and those of the other side move nothing', async () => {
  const { account, line } = await newAccount(100);
  await move(line({ movement: `${account} 1`, kind: 'post', amountMinor: 1 }));
  const [{ id }] = await cell.admin.rows<{ id: string }>`
    select account_id::text as id from ledger.accounts where account_type = 'settlement' and currency = 'PEN'`;
  const rows = movementRows([
    { account: 'nobody', movement: `${account} 2`, kind: 'refund', amountMinor: 1 },
    { account, movement: `${account} 3`, kind: 'refund', amountMinor: 1 },
  ]);
  rows.columns.accountId.clear();
  rows.columns.accountId.slice(bytesOf('nobody'));
  rows.columns.accountId.uuid(id);
  assert.deepEqual(
    (await live.moveForMessages(rows)).map(({ verdict, postedMinor }) => [verdict, postedMinor]),
    [
      ['unknown_account', 0n],
      ['unknown_account', 0n],
    ],
  );
  assert.deepEqual(await live.moveForMessages(movementRows([])), []);
});

test('a row that makes no sense fails its call as a whole', async () => {
  const { account, line } = await newAccount(100);
  const good = line({ movement: `${account} 1`, kind: 'post', amountMinor: 1 });
  for (const [wrong, why] of [
    [line({ movement: `${account} 2`, kind: 'refund', amountMinor: -1 }), /movement 2 is of no amount/],
    [
      line({ movement: `${account} 2`, kind: 'hold', hold: null, amountMinor: 1 }),
      /movement 2 names no hold/,
    ],
    [{ ...good, kind: 'steal' as 'post' }, /movement 2 is of no known kind/],
  ] as const)
    await assert.rejects(move(good, wrong), why);
  assert.deepEqual(await balance(account), [100n, 0n]);
});

test('a statement that fails takes the whole call back', async (t) => {
  const { account, line } = await newAccount(100);
  await cell.admin.run`alter table ledger.accounts add constraint no_debts check (posted_minor <> 41)`;
  t.after(() => cell.admin.run`alter table ledger.accounts drop constraint no_debts`);
  const hold = `${account} h`;
  await assert.rejects(
    move(
      line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 10 }),
      line({ movement: `${account} 2`, kind: 'post', amountMinor: 59 }),
    ),
    (error) => (error as { code: string }).code === '23514',
  );
  assert.deepEqual(await balance(account), [100n, 0n]);
  assert.deepEqual(await move(line({ movement: `${account} 1`, kind: 'hold', hold, amountMinor: 10 })), [
    'moved',
  ]);
  await assertLedgerLaws(cell);
});

test('many calls at once on the same few accounts: none waits for ever, nothing is spent twice', async () => {
  const accounts = Array.from({ length: 5 }, () => `account ${++names}`);
  const has = 1000;
  await state(accounts.map((account) => ({ account, postedMinor: has })));
  const random = drawsOf(seed);
  const draw = (below: number) => Math.floor(random() * below);
  const rowOf = (n: number): MovementLine => {
    const account = accounts[draw(accounts.length)];
    const [kind, hold] = (
      [
        ['hold', `many ${n}`],
        ['hold', `many ${n}`],
        ['post', null],
        ['refund', null],
        ['release', `many ${draw(n + 1)}`],
      ] as const
    )[draw(5)];
    return { account, movement: `many ${n}`, kind, hold, amountMinor: kind === 'release' ? 0 : 1 + draw(40) };
  };
  const calls = Array.from({ length: 120 }, (_, call) =>
    Array.from({ length: 12 }, (_, i) => rowOf(call * 12 + i)),
  );
  const restate = async () => {
    for (let time = 0; time < 10; time++)
      await state(accounts.map((account) => ({ account, postedMinor: has })));
  };
  const expire = async () => {
    for (let time = 0; time < 10; time++) await live.releaseExpiredHolds({ limit: 10 });
  };
  // Every call comes twice, as when its answer was lost on the way.
  const [, , ...twice] = await Promise.all([
    restate(),
    expire(),
    ...[...calls, ...calls].map((rows) => live.moveForMessages(movementRows(rows))),
  ]);
  for (const outcomes of twice)
    for (const { verdict, availableMinor } of outcomes)
      if (verdict === 'moved') assert.ok(availableMinor >= 0n);
  const moved = new Map<string, number>();
  for (const [call, outcomes] of twice.entries())
    for (const [i, { verdict }] of outcomes.entries())
      if (verdict === 'moved') {
        const { movement } = calls[call % calls.length][i];
        moved.set(movement, (moved.get(movement) ?? 0) + 1);
      }
  assert.deepEqual(
    [...moved.values()].filter((times) => times > 1),
    [],
  );
  assert.ok(moved.size > 300, `${moved.size} movements of ${calls.length * 12}`);
  await assertLedgerLaws(cell);
});

/** Numbers from 0 to 1, the same ones from the same seed. */
function drawsOf(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
