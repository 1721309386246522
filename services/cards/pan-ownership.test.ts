import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell } from '#tools/testing/cell.ts';
import { migrate } from '#tools/testing/migrate.ts';
import { readScript } from '#tools/testing/script.ts';
import { until } from '#tools/testing/until.ts';

/**
 * A card leaves its PAN in one transaction while another wants to take it in a second one. The second waits for
 * the first at the unique index, and must then find the PAN claimed: the order of the two does not matter.
 */
for (const companion of ['', 'card c2 v=2'])
  test(`a PAN that is just being left stays the card's that leaves it${companion && ', beside an update'}`, async (t) => {
    const cell = await testCell(t);
    const [full, delta] = readScript(
      `
      full
      card c1
      card c2
      delta
      ${companion}
      card c9 pan=c1
      `,
      'leaving',
    );
    const first = await migrate(cell, full.csv);
    const [{ cardId }] = first.lines;
    let second: ReturnType<typeof migrate> | undefined;
    await cell.admin.transaction(async (tx) => {
      await tx.run`
        insert into cards.claimed_pans (pan_index, card_id, import_number, import_line)
        select pan_index, card_id, 1, 2 from cards.cards where card_id = ${cardId}`;
      await tx.run`
        update cards.cards set pan_index = md5('another')::uuid where card_id = ${cardId}`;
      second = migrate(cell, delta.csv);
      second.catch(() => {});
      await until('the second card waits for the first', async () => {
        const waiting = await cell.admin.rows`
          select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and usename like '%_cards'`;
        return waiting.length > 0;
      });
    });
    const { lines, report } = await second!;
    const outcomes = Object.fromEntries(lines.map((each) => [each.externalId, each.code || each.outcome]));
    assert.equal(outcomes['leaving-c9'], 'pan_conflict');
    if (companion) assert.equal(outcomes['leaving-c2'], 'updated');
    assert.equal(report.reconciled, true);
    const cards = await cell.admin.rows`select from cards.cards`;
    assert.equal(cards.length, 2);
    await assertLedgerLaws(cell);
  });
