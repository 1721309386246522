import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Batch } from '#runtime/batch/batch.ts';
import { testCell } from '#tools/testing/cell.ts';
import { migrate } from '#tools/testing/migrate.ts';
import { BIN, panOf, withCheckDigit } from '#tools/testing/pans.ts';
import { readScript } from '#tools/testing/script.ts';
import { serveCards } from './main.ts';
import { cardIdRow, panIndexRow } from './service.ts';

const cell = await testCell();
const db = cell.opened.connect('cards', 1);
const cards = cell.opened.calls.client(serveCards(db, cell.vault), 'authorisations');
const [{ csv }] = readScript(
  `
  full
  card c1 expiry=2908 daily_limit_minor=500
  card c2 status=lost product=gold
  card c3 pan=${withCheckDigit('510510000000000')}
  `,
  'm',
);
await migrate(cell, csv);

const indexOf = (pan: string): Buffer => {
  const coder = cell.vault.coder('pan-index');
  coder.add(Buffer.from(pan));
  return coder.macs();
};

suite('cards for messages', () => {
  test('are found by the code of their number, each line with its card; unknown ones are left out', async () => {
    const rows = new Batch(panIndexRow);
    const pans = [panOf('m-c2'), panOf('m-c1'), panOf('nobody'), panOf('m-c1')];
    pans.forEach((pan, line) => {
      rows.columns.line.int4(line);
      rows.columns.panIndex.slice(indexOf(pan));
    });
    const found = (await cards.findCardsByPan(rows)).toSorted((a, b) => a.line - b.line);
    assert.deepEqual(
      found.map(({ line, externalCardId, status, expiry, product, dailyLimitMinor }) => [
        line,
        externalCardId,
        status,
        expiry,
        product,
        dailyLimitMinor,
      ]),
      [
        [0, 'm-c2', 'lost', '2908', 'gold', null],
        [1, 'm-c1', 'active', '2908', 'classic', 500n],
        [3, 'm-c1', 'active', '2908', 'classic', 500n],
      ],
    );
  });

  test('are opened by their ids, and show no number unless it is asked for', async () => {
    const [{ cardId }] = await cell.admin.rows<{ cardId: string }>`
      select card_id as "cardId" from cards.cards where external_card_id = 'm-c1'`;
    const rows = new Batch(cardIdRow);
    for (const [line, id] of [cardId, '11111111-2222-8333-8444-555555555555'].entries()) {
      rows.columns.line.int4(line);
      rows.columns.cardId.uuid(id);
    }
    const opened = await cards.openCards(rows);
    assert.deepEqual(
      opened.map(({ line, pan, expiry }) => [line, pan.reveal(), expiry]),
      [[0, panOf('m-c1'), '2908']],
    );
    assert.ok(!JSON.stringify(opened).includes(panOf('m-c1')));
  });

  test('are listed by range, page by page, also by a prefix that no column holds', async () => {
    const listed: string[] = [];
    for (let after: string | null = null; ;) {
      const page: Awaited<ReturnType<typeof cards.listCardsOfRange>> = await cards.listCardsOfRange({
        prefix: BIN,
        after,
        limit: 1,
      });
      listed.push(...page.cards.map(({ externalCardId }) => externalCardId));
      if (page.after === null) break;
      after = page.after;
    }
    assert.deepEqual(listed.toSorted(), ['m-c1', 'm-c2']);
    const of = async (prefix: string) =>
      (await cards.listCardsOfRange({ prefix, after: null, limit: 10 })).cards.length;
    assert.deepEqual(
      [await of('510510'), await of('450917'), await of('45091799'), await of('400000')],
      [1, 2, 0, 0],
    );
  });

  test('are closed to others', async () => {
    const others = cell.opened.calls.client(serveCards(db, cell.vault), 'ledger');
    await assert.rejects(others.openCards(new Batch(cardIdRow)), { code: 'caller_not_allowed' });
  });
});
