import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgePortfolio } from '#services/migrations/oracle/judge-portfolio.ts';
import { emptyState } from '#services/migrations/oracle/state.ts';
import { runs } from '#tools/testing/seed.ts';
import { C, O } from '../portfolio/fields.ts';
import { readPortfolio } from '../portfolio/read-portfolio.ts';
import { newSampleCards, sampleCards } from '../portfolio/sample.ts';
import { compareBalances } from '../reckoning/compare.ts';
import { Reckoning } from '../reckoning/reckoning.ts';
import { cardFields, CREATED_AT, CREATED_MS, portfolioOf } from '../testing/portfolio.ts';
import { clearing, type Purchase, request, reversal, rrnOf } from '../testing/messages.ts';
import { toldOf } from '../testing/told.ts';
import { Book } from './book.ts';
import { Processor } from './processor.ts';
import { writePortfolio } from './write-portfolio.ts';

const HEADER = { tenant: 'andina', environment: 'demo', source: 'old-processor' } as const;
const CELL = { tenant: 'andina', environment: 'demo', today: '2026-11-20' } as const;
const SECOND_MS = 1000;

async function written(
  book: Book,
  kind: 'full' | 'delta',
  sequence: number,
  asOfMs: number,
): Promise<Buffer> {
  const lines: string[] = [];
  await writePortfolio(book, { ...HEADER, kind, sequence, asOfMs }, (line) => lines.push(`${line}\n`));
  return Buffer.from(lines.join(''));
}

const read = async (bytes: Buffer) => readPortfolio([bytes]);

const balancesOf = (book: Book) =>
  [...book.accounts.values()].map(({ id, postedMinor, heldMinor }) => ({
    accountId: id,
    postedMinor,
    heldMinor,
  }));

const step = fc.record({
  card: fc.constantFrom('a', 'b', 'c'),
  mti: fc.constantFrom('0100', '0100', '0200'),
  amountMinor: fc.integer({ min: 1, max: 100 }),
  second: fc.nat(20),
  /** Seconds after the purchase. */
  clearing: fc.option(fc.nat(10)),
  reversal: fc.option(fc.record({ after: fc.nat(10), left: fc.nat(100) })),
});

test('a file as of a second has what was transmitted before it, whatever came since', async () => {
  const opening = await portfolioOf([{ name: 'a' }, { name: 'b', account: 'a' }, { name: 'c' }]);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.nat(30), async (steps, boundary) => {
      const now = () => CREATED_MS + 60 * SECOND_MS;
      const book = Book.of(opening);
      const processor = new Processor({ book, now });
      const reckoning = new Reckoning(opening, { now });
      const asOfMs = CREATED_MS + boundary * SECOND_MS;
      const send = (message: ReturnType<typeof request>, atMs: number) => {
        const answer = processor.answer(message)!;
        const card = book.cardOf(message.get(2)!)!;
        if (atMs < asOfMs)
          reckoning.answered(toldOf(message, { id: card.id, accountId: card.account.id }, answer));
        return answer;
      };
      steps.forEach((each, i) => {
        const { card, amountMinor, mti } = each;
        const its: Purchase = {
          card,
          amountMinor,
          number: i * 10,
          atMs: CREATED_MS + each.second * SECOND_MS,
        };
        const approvalCode = send(request(mti, its), its.atMs).get(38);
        const about = (after: number, number: number) => ({ number, atMs: its.atMs + after * SECOND_MS });
        if (each.reversal) {
          const { after, left } = each.reversal;
          const leftMinor = left < amountMinor ? left : undefined;
          const its400 = { ...about(after, i * 10 + 1), originalMti: mti, leftMinor };
          send(reversal('0400', its, its400), its400.atMs);
        }
        if (each.clearing !== null && mti === '0100') {
          const its220 = { ...about(each.clearing, i * 10 + 2), amountMinor: amountMinor + 1 };
          send(clearing({ ...its, approvalCode }, its220), its220.atMs);
        }
      });
      const file = await read(await written(book, 'full', 2, asOfMs));
      const comparison = compareBalances(reckoning.expected(asOfMs), balancesOf(Book.of(file)));
      assert.deepEqual(comparison.differences, []);
    }),
    runs(200),
  );
});

test('full and delta keep the contract: nothing is rejected, totals agree, versions rise', async () => {
  const request_ = { seed: 5, cards: 400, createdAt: CREATED_AT };
  const sample = await sampleCards(request_);
  const book = Book.of(sample);
  let now = CREATED_MS + 10 * SECOND_MS;
  const processor = new Processor({ book, now: () => now });
  const state = emptyState();
  const full = judgePortfolio(await written(book, 'full', 1, now), state, CELL);
  assert.equal(full.refusal, null);
  assert.deepEqual(full.outcomes, {
    migrated: sample.cards.length + sample.holds.length + sample.tokens.length,
  });

  const [blocked, closed, capped, ...others] = [...book.cards()];
  for (const [i, { pan, expiry, account }] of others.slice(0, 100).entries()) {
    now += SECOND_MS;
    const currency = account.currency === 'PEN' ? '604' : '840';
    const its: Purchase = { card: '', amountMinor: 10, number: i, atMs: now, currency, expiry };
    processor.answer(request(i % 2 ? '0120' : '0220', { ...its, approvalCode: 'ABC123' }).set(2, pan));
  }
  book.change(blocked, { status: 'blocked', status_reason: 'by phone' });
  book.change(closed, { status: 'closed' });
  book.change(capped, { daily_limit_minor: '12300' });
  for (const fields of await newSampleCards(request_)) book.issue(fields);
  now += SECOND_MS;
  const bytes = await written(book, 'delta', 2, now);
  const delta = judgePortfolio(bytes, state, CELL);
  assert.equal(delta.refusal, null);
  assert.deepEqual(delta.rejections, {});
  const { cards, holds } = await read(bytes);
  assert.equal(
    delta.outcomes['migrated'],
    40 / 10 + delta.byType['O']['migrated'] + (delta.byType['W']?.['migrated'] ?? 0),
  );
  assert.equal(delta.outcomes['unchanged'] ?? 0, 0);
  assert.equal(delta.byType['O']['migrated'], holds.length);
  assert.equal(holds.length, 50);
  const operations = new Map(cards.map((fields) => [fields[C.external_card_id], fields[C.operation]]));
  assert.equal(operations.get(closed.id), 'close');
  assert.equal(operations.get(capped.id), 'upsert');

  now += SECOND_MS;
  const next = await read(await written(book, 'delta', 3, now));
  assert.deepEqual([next.cards.length, next.holds.length], [0, 0], 'nothing happened since');
});

test('a delta says again what came late', async () => {
  const book = Book.of(await portfolioOf([{ name: 'a' }, { name: 'b' }]));
  const processor = new Processor({ book, now: () => CREATED_MS + 60 * SECOND_MS });
  await written(book, 'full', 2, CREATED_MS + 30 * SECOND_MS);
  const late: Purchase = { card: 'a', amountMinor: 500, number: 1, atMs: CREATED_MS + 29 * SECOND_MS };
  processor.answer(request('0200', late));
  processor.answer(request('0100', { ...late, number: 2 }));
  assert.equal(book.latecomers, 2);
  const delta = await read(await written(book, 'delta', 3, CREATED_MS + 40 * SECOND_MS));
  assert.deepEqual(
    delta.cards.map((fields) => [fields[C.external_card_id], fields[C.version], fields[C.posted_minor]]),
    [['card-a', '2', '99500']],
  );
  assert.deepEqual(
    delta.holds.map((fields) => fields[O.amount_minor]),
    ['500'],
  );
});

test('what moves while a file is written is not in it', async () => {
  const cards = Array.from({ length: 600 }, (_, i) => ({ name: `n${i}` }));
  const book = Book.of(await portfolioOf(cards));
  const processor = new Processor({ book, now: () => CREATED_MS + 60 * SECOND_MS });
  const asOfMs = CREATED_MS + 30 * SECOND_MS;
  const lines: string[] = [];
  let number = 0;
  const buy = (seconds: number) => {
    for (const name of ['n0', 'n599']) {
      const its: Purchase = {
        card: name,
        amountMinor: 7,
        number: ++number,
        atMs: CREATED_MS + seconds * SECOND_MS,
      };
      processor.answer(request('0200', its));
      processor.answer(request('0100', { ...its, number: ++number }));
    }
  };
  buy(10);
  await writePortfolio(book, { ...HEADER, kind: 'full', sequence: 2, asOfMs }, (line) => {
    lines.push(`${line}\n`);
    if (lines.length === 300) [20, 40].forEach(buy);
  });
  const file = await read(Buffer.from(lines.join('')));
  const balances = balancesOf(Book.of(file)).filter(({ accountId }) => /-n(0|599)$/.test(accountId));
  assert.deepEqual(
    balances.map(({ postedMinor, heldMinor }) => [postedMinor, heldMinor]),
    [
      [99_993, 7],
      [99_993, 7],
    ],
  );
});

test('a hand-back brings balances as of its moment; what moved here since stays, what is told of before counts once', async () => {
  const opening = await portfolioOf([{ name: 'a' }, { name: 'b' }]);
  const book = Book.of(opening);
  const now = () => CREATED_MS + 60 * SECOND_MS;
  const processor = new Processor({ book, now });
  const at = (second: number) => CREATED_MS + second * SECOND_MS;
  const its: Purchase = { card: 'a', amountMinor: 1_000, number: 1, atMs: at(10) };
  processor.answer(request('0120', { ...its, approvalCode: 'OWN001' }));
  processor.answer(request('0220', { ...its, number: 2, atMs: at(31), approvalCode: 'OWN002' }));
  // There, 5.00 more were spent before second 30, which this side has not been told of yet.
  const back = await read(
    Buffer.from(
      [
        `H,1,back-1,andina,demo,delta,1,relevo,2026-11-20T06:00:30Z,45091700`,
        cardFields({ name: 'a', fields: { version: '2', posted_minor: '99500' } }).join(','),
        cardFields({ name: 'b' }).join(','),
        `O,h-1,card-a,1000,PEN,BODEGA,5411,OWN001,000001,${rrnOf(1)},2026-11-20T06:00:10Z,2026-11-27T06:00:10Z`,
        `O,h-2,card-a,300,PEN,BODEGA,5411,OWN003,000003,${rrnOf(3)},2026-11-20T06:00:20Z,2026-11-27T06:00:20Z`,
        'T,2,2,0,,',
      ].join('\n'),
    ),
  );
  assert.deepEqual(book.takeBack(back), { cards: 1, holds: 1, passedOver: 1 });
  const balance = () => {
    const { postedMinor, heldMinor } = book.accounts.get('acct-a')!;
    return [postedMinor, heldMinor];
  };
  assert.deepEqual(balance(), [98_500, 1_300]);
  processor.answer(
    request('0220', { ...its, number: 4, amountMinor: 500, atMs: at(25), approvalCode: 'OWN004' }),
  );
  processor.answer(
    request('0120', { ...its, number: 3, amountMinor: 300, atMs: at(20), approvalCode: 'OWN003' }),
  );
  assert.deepEqual(balance(), [98_500, 1_300], 'advices that came after the file they are in');
  processor.answer(request('0100', { ...its, number: 5, atMs: at(40) }));
  assert.deepEqual(balance(), [98_500, 2_300]);
});
