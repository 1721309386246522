import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sql } from '#runtime/database/sql.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { runs } from '#tools/testing/seed.ts';
import { serveLedger } from './main.ts';
import { releaseExpiredHolds } from './release-expired-holds.ts';
import { MOVEMENT_KINDS } from './service.ts';
import { Oracle } from './test-oracle.ts';
import {
  type AccountLine,
  accountRows,
  type HoldLine,
  holdRows,
  idOf,
  type MovementLine,
  movementRows,
} from './test-rows.ts';

/**
 * Money is conserved through any sequence of imports, messages, repeated calls, expiry and withdrawals: the accounts
 * of a currency sum to zero, a balance is the sum of its transfers, a held balance the sum of its open holds; and
 * each of them comes to what the oracle makes of the same sequence.
 */
const cell = await testCell();
const { ledger } = cell.clients;
const db = cell.opened.connect('ledger', 3);
const live = cell.opened.calls.client(serveLedger(db), 'authorisations');

async function expireAt(nowMs: number): Promise<void> {
  const release = releaseExpiredHolds(db, sql`${new Date(nowMs)}::timestamptz`);
  while ((await release({ limit: 50 })).released > 0);
}

const CURRENCIES = ['PEN', 'USD'];
const ACCOUNTS = 3;
const minor = fc.oneof(fc.integer({ min: -5, max: 60 }), fc.maxSafeInteger());
const account = fc.nat(ACCOUNTS - 1);
const rarely = (weight: number) => fc.nat(weight).map((drawn) => drawn === weight);

/** Most purchases stay with one account, so that files and messages meet each other's holds. */
const purchase = fc
  .record({ purchase: fc.nat(1), account, isElsewhere: rarely(3) })
  .map(({ purchase, account, isElsewhere }) => ({ purchase, account: isElsewhere ? account : purchase }));

const statement = fc.record({ account, posted: minor, limit: fc.nat(3) });
const statements = fc.uniqueArray(statement, { selector: ({ account }) => account, maxLength: ACCOUNTS });
/** Two holds of a file may be of one purchase: `hold` sets them apart. */
const hold = fc.record({ hold: fc.nat(2), of: purchase, amount: fc.constantFrom(5, 5, 9, 30) });
const file = fc.record({
  what: fc.constant('file' as const),
  statements: fc.oneof(
    statements,
    statements.filter(({ length }) => length === ACCOUNTS),
  ),
  holds: fc.uniqueArray(hold, { selector: ({ hold }) => hold, maxLength: 3 }),
  /** How much later than the file before it the file speaks. */
  later: fc.nat(4),
  /** How often the same call comes: a chunk is worked again after a crash. */
  times: fc.integer({ min: 1, max: 2 }),
});
const movement = fc.record({
  movement: fc.nat(9),
  kind: fc.constantFrom(...MOVEMENT_KINDS, 'hold' as const, 'release' as const),
  of: purchase,
  names: fc.constantFrom('hold', 'hold', 'approval code', 'trace number', 'nothing'),
  amount: fc.oneof(fc.nat(30), fc.constant(0)),
  foreign: rarely(9),
  force: fc.boolean(),
  covered: rarely(2),
  movedAt: fc.nat(12),
});
const messages = fc.record({
  what: fc.constant('messages' as const),
  rows: fc.array(movement, { minLength: 1, maxLength: 8 }),
  times: fc.integer({ min: 1, max: 2 }),
});
const step = fc.oneof(
  { weight: 3, arbitrary: file },
  { weight: 5, arbitrary: messages },
  { weight: 1, arbitrary: fc.constant({ what: 'withdraw' as const }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('expire' as const), now: fc.nat(30) }) },
);

type Drawn<A> = A extends fc.Arbitrary<infer T> ? T : never;

type HoldDrawn = Drawn<typeof hold>;
type Purchase = Drawn<typeof purchase>;

/** Names of one run: those of other runs lie in the same tables. */
const namesOf = (run: number) => ({
  account: (account: number) => `${run} account ${account}`,
  card: (account: number) => `${run} card ${account}`,
  /** As a file names it. */
  hold: (hold: number) => `${run} hold ${hold}`,
  /** As messages name it. */
  live: ({ purchase, account }: Purchase) => `${run} live ${purchase} of ${account}`,
  movement: (movement: number) => `${run} movement ${movement}`,
});
type Names = ReturnType<typeof namesOf>;

const currencyOf = (account: number) => CURRENCIES[account % 2];
const accountLine = (names: Names, { account, posted, limit }: Drawn<typeof statement>): AccountLine => ({
  account: names.account(account),
  type: 'credit',
  currency: currencyOf(account),
  postedMinor: posted,
  limitMinor: limit,
});
const holdLine = (names: Names, { hold, of, amount }: HoldDrawn): HoldLine => ({
  hold: names.hold(hold),
  live: names.live(of),
  card: names.card(of.account),
  account: names.account(of.account),
  currency: currencyOf(of.account),
  amountMinor: amount,
  purchase: String(of.purchase),
  expiresAtMs: 10 + hold,
});

function movementLine(names: Names, row: Drawn<typeof movement>): MovementLine {
  const { of, kind, foreign, amount, force, covered, movedAt } = row;
  // A message that places a hold always names it.
  const isNamed = kind === 'hold' || row.names === 'hold' || row.names === 'approval code';
  const by = row.names === 'approval code' || row.names === 'trace number' ? row.names : undefined;
  return {
    movement: names.movement(row.movement),
    kind,
    account: names.account(of.account),
    card: names.card(of.account),
    hold: isNamed ? names.live(of) : null,
    ...(by && { purchase: String(of.purchase), by }),
    amountMinor: amount,
    currency: currencyOf(foreign ? of.account + 1 : of.account),
    force,
    covered,
    movedAtMs: movedAt,
    expiresAtMs: 12,
  };
}

async function assertBooks(run: number, oracle: Oracle): Promise<void> {
  const { accounts, holds } = oracle.books();
  const here = await cell.admin.rows<{ id: string; posted: bigint; held: bigint; limit: bigint }>`
    select external_account_id as id, posted_minor as posted, held_minor as held, credit_limit_minor as limit
      from ledger.accounts where external_account_id like ${`${run} %`} order by 1`;
  assert.deepEqual(
    here,
    [...accounts].sort(byName).map(([id, { limitMinor }]) => ({
      id,
      posted: oracle.postedMinor(id),
      held: oracle.heldMinor(id),
      limit: BigInt(limitMinor),
    })),
  );
  const open = [...holds].filter(([, { state }]) => state === 'open');
  assert.deepEqual(
    await cell.admin.rows`
      select hold_id::text as id, amount_minor as minor from ledger.holds
       where closed_at is null and account_id = any(${[...accounts.keys()].map(idOf)}::uuid[]) order by 1`,
    open
      .map(([id, { minor }]) => ({ id: idOf(id), minor: BigInt(minor) }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
  await assertLedgerLaws(cell);
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);

const sum = (totals: Readonly<Record<string, bigint>>) =>
  Object.values(totals).reduce((total, each) => total + each, 0n);

let imports = 0;
let lastRun = 0;

test('money is conserved through imports, messages, repeats, restatements, expiry and withdrawals', () =>
  fc.assert(
    fc.asyncProperty(fc.tuple(file, fc.array(step, { maxLength: 9 })), async ([first, steps]) => {
      const run = ++lastRun;
      const names = namesOf(run);
      // What earlier runs left would be looked through at every step.
      await cell.admin.run`truncate ledger.accounts, ledger.transfers, ledger.holds, ledger.replaced_holds`;
      const oracle = new Oracle((name) => currencyOf(Number(name.slice(-1))));
      let asOfMs = 0;
      let latest: { importNumber: number; asOf: Date } | null = null;
      for (const step of [first, ...steps]) {
        if (step.what === 'file') {
          asOfMs += step.later;
          latest = { importNumber: ++imports, asOf: new Date(asOfMs) };
          const accounts = step.statements.map((each) => accountLine(names, each));
          const holds = step.holds.map((each) => holdLine(names, each));
          for (let time = 0; time < step.times; time++) {
            await ledger.stateAccounts({ ...latest, rows: accountRows(accounts) });
            await ledger.importHolds({ ...latest, rows: holdRows(holds) });
          }
          oracle.import(latest.importNumber, asOfMs, accounts, holds);
        } else if (step.what === 'messages') {
          const lines = step.rows.map((each) => movementLine(names, each));
          for (let time = 0; time < step.times; time++) {
            const outcomes = await live.moveForMessages(movementRows(lines));
            for (const [i, { line, verdict, ...after }] of outcomes.entries()) {
              const { account, force = false, kind } = lines[i];
              assert.deepEqual([line, verdict], [i + 1, oracle.move(lines[i])], JSON.stringify(lines[i]));
              if (verdict === 'unknown_account') continue;
              assert.deepEqual(
                [after.postedMinor, after.heldMinor],
                [oracle.postedMinor(account), oracle.heldMinor(account)],
              );
              if (
                verdict === 'moved' &&
                !force &&
                (kind === 'hold' || kind === 'post') &&
                lines[i].amountMinor > 0
              )
                assert.ok(after.availableMinor >= 0n, 'what was not forced was covered');
            }
          }
        } else if (step.what === 'expire') {
          await expireAt(step.now);
          oracle.expire(step.now);
        } else if (latest) {
          const { importNumber } = latest;
          await ledger.withdrawImport({ importNumber });
          await ledger.withdrawImport({ importNumber });
          oracle.withdraw(importNumber);
          latest = null;
        }
        await assertBooks(run, oracle);
        if (latest) {
          const { posted, held } = await ledger.totalsOfImport(latest);
          const stated = oracle.stated(latest.importNumber);
          assert.deepEqual([sum(posted), sum(held)], [stated.posted, stated.held]);
        }
      }
    }),
    runs(120),
  ));

test('a hold in another currency than its account, or without one, is rejected and holds nothing', async () => {
  const names = namesOf(++lastRun);
  const of = { importNumber: ++imports, asOf: new Date(0) };
  await ledger.stateAccounts({
    ...of,
    rows: accountRows([accountLine(names, { account: 0, posted: 5, limit: 0 })]),
  });
  const lines = [0, 2].map((account) => ({
    ...holdLine(names, { hold: account, of: { account, purchase: account }, amount: 5 }),
    currency: 'USD',
  }));
  const answers = await ledger.importHolds({ ...of, rows: holdRows(lines) });
  assert.deepEqual(
    answers.map(({ line, outcome, code }) => [line, outcome, code]),
    [
      [100, 'rejected', 'currency_mismatch'],
      [101, 'rejected', 'currency_mismatch'],
    ],
  );
  await assertLedgerLaws(cell);
});
