import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createReadStream } from 'node:fs';
import { openMessage } from '#runtime/openpgp/open-message.ts';
import type { EnvelopeRefusal } from '#runtime/openpgp/refusal.ts';
import { writeResultFile } from '#services/migrations/books/result-file.ts';
import { samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';
import { testCell } from '#tools/testing/cell.ts';
import { curveKey } from '#tools/testing/keys.ts';
import { migrate, openResult } from '#tools/testing/migrate.ts';
import { playThrough } from '#tools/testing/play.ts';
import { seed } from '#tools/testing/seed.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUIDS = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

test(`every line is there, in file order, with the ids under which it is stored (SEED=${seed})`, async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 11 } });
  const csv = Buffer.concat([
    ...samplePortfolio({
      tenant: 'andina',
      environment: 'production',
      seed,
      cards: 80,
      faults: 90,
      kind: 'full',
      holdsPercent: 50,
      tokensPercent: 50,
    }),
  ]);
  const { report, lines } = await migrate(cell, csv, { workers: 3 });
  const text = await openResult(cell, report.result_file!);
  const [head, ...rows] = text.trimEnd().split('\n');
  const trailer = rows.pop()!;
  const sent = csv.toString('latin1').split('\n');

  assert.match(
    head,
    new RegExp(
      `^H,1,${report.file_id},${report.migration},andina,production,20\\d\\d-\\d\\d-\\d\\dT[\\d:]{8}Z$`,
    ),
  );
  const { migrated = 0, rejected = 0 } = report.outcomes;
  const sums = (side: Record<string, { ledger: string }>) =>
    Object.entries(side)
      .map(([currency, { ledger }]) => `${currency}=${ledger}`)
      .join(';');
  assert.equal(
    trailer,
    `T,${rows.length},${migrated},0,0,${rejected},0,${sums(report.posted)},${sums(report.held)}`,
  );
  assert.deepEqual(
    lines.map(({ line }) => line),
    Array.from({ length: sent.length - 3 }, (_, i) => i + 2),
  );

  const ids = await cell.admin.rows<{ id: string; cardId: string; holder: string; account: string }>`
    select external_card_id as id, card_id as "cardId", cardholder_id as holder, account_id as account
      from cards.cards`;
  const cardOf = new Map(ids.map((card) => [card.id, card]));
  for (const each of lines) {
    if (each.outcome === 'rejected') {
      assert.deepEqual([each.cardId, each.cardholderId, each.accountId], ['', '', '']);
      assert.ok(each.code !== '' && each.detail !== '');
      continue;
    }
    assert.deepEqual([each.code, each.detail], ['', '']);
    const isCard = each.recordType === 'C';
    const card = cardOf.get(isCard ? each.externalId : sent[each.line - 1].split(',')[2])!;
    assert.match(each.cardId, UUID);
    assert.deepEqual(
      [each.cardId, each.cardholderId, each.accountId],
      [card.cardId, isCard ? card.holder : '', isCard ? card.account : ''],
    );
  }
});

test('no PAN and no PIN value is in it, whatever was wrong with a line', async (t) => {
  const cell = await testCell(t);
  const pin = '9182736455463728';
  const [{ report }] = await playThrough(
    cell,
    `
    full
    card c1 pan=4509170000000009 pin_format=iso0 pin_value=${pin} pin_key_id=k -> migrated
    card c2 pan=4509170000000001 -> invalid_field pan
    card c3 pan=4111111111111111 -> bin_not_declared
    card c4 pan=4509170000000009 -> pan_conflict
    card c5 pin_format=iso0 pin_value=${pin}0 pin_key_id=k -> invalid_field pin_value
    raw C,4509170000000009,1,upsert,c7 -> wrong_field_count
    raw O,4509170000000009 -> wrong_field_count
    raw 4509170000000009,C -> wrong_field_count
    raw "C","4509170000000009 -> wrong_field_count
    `,
  );
  const text = (await openResult(cell, report.result_file!)).replaceAll(UUIDS, '');
  assert.doesNotMatch(text, /\d{13,}/);
  assert.ok(!text.includes(pin));
});

test('it is sealed: for the tenant alone, by the cell alone, never written in the clear', async (t) => {
  const cell = await testCell(t);
  const [{ report, migration }] = await playThrough(cell, 'full\n card c1 -> migrated');
  const sealed = await readFile(report.result_file!);
  assert.ok(!sealed.includes('migrated'));
  const open = async (decryptionKey = cell.tenantKey, verificationKey = cell.cellKey) => {
    const message = openMessage(createReadStream(report.result_file!), {
      decryptionKeys: [decryptionKey],
      verificationKeys: [verificationKey.toPublic()],
      maxPlaintextBytes: 1e6,
    });
    for await (const _ of message.plaintext);
    return message.verified().signer;
  };
  assert.equal(await open(), cell.cellKey.getFingerprint().toUpperCase());
  const stranger = await curveKey('Stranger');
  await assert.rejects(open(stranger), (error) => (error as EnvelopeRefusal).code === 'no_decryption_key');
  await assert.rejects(
    open(cell.tenantKey, stranger),
    (error) => (error as EnvelopeRefusal).code === 'unknown_signer',
  );

  // Drawn again from the recorded outcomes it says the same.
  const before = await openResult(cell, report.result_file!);
  await writeResultFile(cell, migration, {
    outcomes: report.outcomes,
    posted: migration.ledgerPosted,
    held: migration.ledgerHeld,
    closedAt: migration.completedAt!,
  });
  assert.equal(await openResult(cell, report.result_file!), before);
});
