import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch } from '#runtime/batch/batch.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { runs } from '#tools/testing/seed.ts';
import { accountRow, holdRow } from './service.ts';

/**
 * Money is conserved through any sequence of imports, repeated calls and withdrawals: the accounts of a currency
 * sum to zero, a balance is the sum of its transfers, a held balance the sum of its holds.
 */
const cell = await testCell();
const { ledger } = cell.clients;

const CURRENCIES = ['PEN', 'USD'];
const idOf = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16);
const currencyOf = (account: number) => CURRENCIES[account % 2];
const minor = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.maxSafeInteger());

const statement = fc.record({ account: fc.nat(4), posted: minor, limit: fc.nat(3) });
const hold = fc.record({ hold: fc.nat(3), account: fc.nat(4), amount: fc.integer({ min: 1, max: 99 }) });
const one = fc.record({
  statements: fc.uniqueArray(statement, { selector: ({ account }) => account, maxLength: 5 }),
  holds: fc.uniqueArray(hold, { selector: ({ hold }) => hold, maxLength: 4 }),
  /** How often the same call comes: a chunk is worked again after a crash. */
  times: fc.integer({ min: 1, max: 2 }),
  withdrawn: fc.boolean(),
});
type Import = typeof one extends fc.Arbitrary<infer T> ? T : never;

/** What the accounts and holds should come to, after the imports that stayed. */
interface Books {
  readonly accounts: Map<number, { posted: number; limit: number }>;
  readonly holds: Map<number, { account: number; amount: number }>;
}

async function send(run: number, importNumber: number, { statements, holds }: Import): Promise<void> {
  const accounts = new Batch(accountRow);
  statements.forEach(({ account, posted, limit }, i) => {
    const to = accounts.columns;
    to.line.int4(i + 2);
    to.accountId.slice(idOf(`${run} account ${account}`));
    to.externalAccountId.string(`${run}-${account}`);
    to.accountType.string('credit');
    to.currency.string(currencyOf(account));
    to.postedMinor.int8(posted);
    to.creditLimitMinor.int8(limit);
  });
  if (statements.length > 0) await ledger.stateAccounts({ importNumber, rows: accounts });
  const rows = new Batch(holdRow);
  holds.forEach(({ hold, account, amount }, i) => {
    const to = rows.columns;
    to.line.int4(i + 100);
    to.holdId.slice(idOf(`${run} hold ${hold}`));
    to.cardId.slice(idOf(`${run} card ${account}`));
    to.accountId.slice(idOf(`${run} account ${account}`));
    to.contentMac.slice(idOf(`${account} ${amount}`));
    to.externalHoldId.string(`${run}-${hold}`);
    to.amountMinor.int8(amount);
    to.currency.string(currencyOf(account));
    for (const name of ['merchantName', 'mcc', 'approvalCode', 'stan', 'rrn'] as const) to[name].string('1');
    to.approvedAt.timestamp(0);
    to.expiresAt.timestamp(1000);
  });
  if (holds.length > 0) await ledger.importHolds({ importNumber, rows });
}

function enter({ accounts, holds }: Books, sent: Import): void {
  for (const { account, posted, limit } of sent.statements) accounts.set(account, { posted, limit });
  for (const { hold, account, amount } of sent.holds)
    if (accounts.has(account)) holds.set(hold, { account, amount });
}

async function assertBooks(run: number, { accounts, holds }: Books): Promise<void> {
  const held = (account: number) =>
    [...holds.values()]
      .filter((each) => each.account === account)
      .reduce((sum, { amount }) => sum + amount, 0);
  assert.deepEqual(
    await cell.admin.rows`
      select external_account_id as id, posted_minor as posted, held_minor as held, credit_limit_minor as limit
        from ledger.accounts where external_account_id like ${`${run}-%`} order by 1`,
    [...accounts]
      .sort(([a], [b]) => a - b)
      .map(([account, { posted, limit }]) => ({
        id: `${run}-${account}`,
        posted: BigInt(posted),
        held: BigInt(held(account)),
        limit: BigInt(limit),
      })),
  );
  await assertLedgerLaws(cell);
}

let imports = 0;
let lastRun = 0;

test('money is conserved through imports, repeats, restatements and withdrawals', () =>
  fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 6 }), async (sequence) => {
      const run = ++lastRun;
      const books: Books = { accounts: new Map(), holds: new Map() };
      for (const sent of sequence) {
        const importNumber = ++imports;
        for (let time = 0; time < sent.times; time++) await send(run, importNumber, sent);
        const after: Books = { accounts: new Map(books.accounts), holds: new Map(books.holds) };
        enter(after, sent);
        await assertBooks(run, after);
        if (sent.withdrawn) {
          await ledger.withdrawImport({ importNumber });
          await ledger.withdrawImport({ importNumber });
          await assertBooks(run, books);
        } else enter(books, sent);
      }
    }),
    runs(60),
  ));

test('a hold in another currency than its account, or without one, is rejected and holds nothing', async () => {
  const run = ++lastRun;
  const importNumber = ++imports;
  await send(run, importNumber, {
    statements: [{ account: 0, posted: 5, limit: 0 }],
    holds: [],
    times: 1,
    withdrawn: false,
  });
  const rows = new Batch(holdRow);
  for (const [i, account] of [0, 2].entries()) {
    const to = rows.columns;
    to.line.int4(i + 1);
    for (const name of ['holdId', 'cardId', 'contentMac'] as const)
      to[name].slice(idOf(`${run} ${name} ${i}`));
    to.accountId.slice(idOf(`${run} account ${account}`));
    to.amountMinor.int8(1);
    to.currency.string('USD');
    for (const name of ['externalHoldId', 'merchantName', 'mcc', 'approvalCode', 'stan', 'rrn'] as const)
      to[name].string('1');
    to.approvedAt.timestamp(0);
    to.expiresAt.timestamp(1000);
  }
  const answers = await ledger.importHolds({ importNumber, rows });
  assert.deepEqual(
    answers.map(({ line, outcome, code }) => [line, outcome, code]),
    [
      [1, 'rejected', 'currency_mismatch'],
      [2, 'rejected', 'currency_mismatch'],
    ],
  );
  await assertLedgerLaws(cell);
});
