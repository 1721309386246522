import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOf } from './command.ts';
import { withLab } from './lab.ts';
import { ProofCell } from './proof-cell.ts';
import { differences, snapshot } from './snapshot.ts';

const TAMPERING: readonly (readonly [what: string, sql: string, differences: number])[] = [
  [
    'a balance',
    `update ledger.accounts set posted_minor = posted_minor + 1 where account_type = 'clearing'
                  and currency = (select min(currency) from ledger.accounts)`,
    2,
  ],
  [
    'a lost card',
    'delete from cards.cards where card_id = (select min(card_id::text)::uuid from cards.cards)',
    1,
  ],
  [
    'a doubled transfer',
    `insert into ledger.transfers
      (debit_account_id, credit_account_id, amount_minor, import_number, currency, reason)
    select debit_account_id, credit_account_id, amount_minor, import_number, currency, reason
      from ledger.transfers order by transfer_id limit 1`,
    1,
  ],
  [
    'an outcome',
    `update migrations.chunks set state = 'ready' where (phase, lane, first_line) =
      (select phase, lane, first_line from migrations.chunks order by 1, 2, 3 limit 1)`,
    2,
  ],
];

test('whatever is lost, doubled or changed, a comparison tells', { timeout: 60_000 }, () =>
  withLab({ RELEVO_CHUNK_LINES: '50' }, async (lab) => {
    const cell = await ProofCell.open(lab, 'demo');
    const file = await cell.sample('full.gpg', { cards: 120, seed: 1, kind: 'full', faults: 10 });
    const ended = await endOf(lab.start(['migrate', 'start', file, '--cell', cell.text, '--wait']), 30_000);
    assert.equal(ended?.code, 0, ended?.stderr);
    await cell.keep('done');
    const before = await snapshot(cell);
    assert.deepEqual(differences(before, await snapshot(cell)), []);
    for (const [what, sql, count] of TAMPERING) {
      await lab.ask(cell.database, sql);
      assert.equal(differences(before, await snapshot(cell)).length, count, what);
      await cell.setBack('done');
    }
    // A sealed value that lies in another card's row does not open at all.
    await lab.ask(
      cell.database,
      `update cards.cards set pan_sealed = (select pan_sealed from cards.cards order by card_id desc limit 1)
        where card_id = (select min(card_id::text)::uuid from cards.cards)`,
    );
    await assert.rejects(snapshot(cell));
  }),
);
