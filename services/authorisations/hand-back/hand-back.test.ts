import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Batch } from '#runtime/batch/batch.ts';
import { movementRow } from '#services/ledger/service.ts';
import { samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { registerTenantKey, testCell, type TestCell } from '#tools/testing/cell.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { migrate, migrateFile, openResult } from '#tools/testing/migrate.ts';
import { withCheckDigit } from '#tools/testing/pans.ts';
import { checkGate } from '../cutover/check-gate.ts';
import { beat, cutoverOf, PROCESSOR } from '../cutover/test-cutover.ts';
import { setRange } from '../ranges/set-range.ts';
import { writeHandBack } from './write-hand-back.ts';

const RANGE = '45091700';
const SECONDS_AGO = (seconds: number) => new Date(Date.now() - seconds * 1000);
const full = (sequence = 1) => {
  const createdAt = `${SECONDS_AGO(3_600).toISOString().slice(0, 19)}Z`;
  const options = { tenant: 'andina', environment: 'production', seed: 7, cards: 400, createdAt } as const;
  return Buffer.concat([
    ...samplePortfolio({ ...options, kind: sequence === 1 ? 'full' : 'delta', sequence, holdsPercent: 30 }),
  ]);
};

/** The earlier processor's own cell: what this side seals, it opens, and takes for its tenant's. */
const here = await testCell();
const earlier = await testCell(null, { tenantKey: here.cellKey, cellKey: here.tenantKey });
const cutover = await cutoverOf(here);
const plaintext = full();
for (const cell of [here, earlier]) assert.equal((await migrate(cell, plaintext)).report.reconciled, true);
await setRange(cutover, { prefix: RANGE, processor: PROCESSOR }, { operator: 'rosa' });

interface Card {
  readonly cardId: string;
  readonly accountId: string;
  readonly currency: string;
  readonly externalCardId: string;
  readonly externalAccountId: string;
}
const cardsOf = (prefix: string) => here.admin.rows<Card>`
  select card_id as "cardId", account_id as "accountId", currency, external_card_id as "externalCardId",
         external_account_id as "externalAccountId"
    from cards.cards join ledger.accounts using (account_id)
   where pan_first6 = ${prefix.slice(0, 6)} order by external_card_id`;
const cards = await cardsOf(RANGE);

/** What messages have done here, `secondsAgo`. */
async function move(
  card: Card,
  kind: 'hold' | 'release' | 'post' | 'refund',
  amountMinor: number,
  { secondsAgo = 20, holdId = null as string | null, merchantName = 'Bodega "El Sol", Lima' } = {},
): Promise<void> {
  const rows = new Batch(movementRow);
  const to = rows.columns;
  to.line.int4(1);
  to.movementId.uuid(crypto.randomUUID());
  to.kind.string(kind);
  to.accountId.uuid(card.accountId);
  to.cardId.uuid(card.cardId);
  to.holdId.uuidOrNull(holdId);
  to.amountMinor.int8(amountMinor);
  to.currency.string(card.currency);
  to.force.int2(1);
  to.covered.int2(0);
  to.approvalCode.string('A1B2C3');
  to.rrn.string('ab 456789012');
  to.originalStan.null();
  to.stan.string('000123');
  to.mcc.null();
  to.merchantName.string(merchantName);
  to.movedAt.timestamp(SECONDS_AGO(secondsAgo).getTime());
  to.expiresAt.timestamp(Date.now() + 86_400_000);
  const [{ verdict }] = await cutover.clients.ledger.moveForMessages(rows);
  assert.equal(verdict, 'moved');
}

async function cutOver(): Promise<void> {
  const { last } = await cutover.clients.migrations.lastBooks({ prefix: RANGE });
  await here.admin.run`
    insert into authorisations.flips (prefix, epoch, direction, operator, approved_by, last_import, flipped_at, told_at)
    values (${RANGE}, 1, 'cutover', 'ana', 'ana, bruno', ${last!.importNumber}, now() - interval '1 minute', now())`;
  await here.admin.run`
    update authorisations.ranges set mode = 'own', epoch = 2, flipped_at = now() - interval '1 minute'
     where prefix = ${RANGE}`;
}

let files = 0;
const handBack = (options: { to?: string; sequence?: number } = {}) =>
  writeHandBack(cutover, {
    prefix: RANGE,
    path: join(here.folder, `hand-back-${++files}.csv.gpg`),
    operator: 'rosa',
    ...options,
  });

test('a range that was never cut over, or in which nothing has changed, has nothing to hand back', async () => {
  await assert.rejects(handBack(), { code: 'nothing_to_hand_back', message: /never cut over/ });
  await cutOver();
  await assert.rejects(handBack(), { code: 'nothing_to_hand_back', message: /has changed here since/ });
  assert.deepEqual(
    await readdir(here.folder).then((names) => names.filter((name) => /hand-back/.test(name))),
    [],
  );
  await assert.rejects(writeHandBack(cutover, { prefix: '555555', path: 'x', operator: 'rosa' }), {
    code: 'unknown_range',
  });
});

test('the earlier processor loads it, and its books say what ours say', async () => {
  const [posted, held, both, released, late] = cards;
  const holds = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
  await move(posted, 'post', 1250);
  await move(posted, 'refund', 50);
  await move(held, 'hold', 700, { holdId: holds[0] });
  await move(both, 'hold', 800, { holdId: holds[1], merchantName: '' });
  await move(both, 'post', 300);
  await move(released, 'hold', 900, { holdId: holds[2] });
  await move(released, 'release', 0, { holdId: holds[2], secondsAgo: 15 });
  // Not settled yet when the file is made: the file speaks of the moment before.
  await move(both, 'post', 77, { secondsAgo: 0 });
  await move(late, 'hold', 66, { secondsAgo: 0, holdId: crypto.randomUUID() });
  // Of another range.
  const [foreign] = (await cardsOf('510510')).filter(
    ({ accountId }) => !cards.some((card) => card.accountId === accountId),
  );
  await move(foreign, 'post', 5);
  await move(foreign, 'hold', 6, { holdId: crypto.randomUUID() });

  const written = await handBack();
  assert.deepEqual(
    [written.sequence, written.fileId, written.sealedTo],
    [1, `hand-back-${RANGE}-1`, fingerprintOf(here.tenantKey).toUpperCase()],
  );
  assert.equal(written.asOf.getTime() % 1_000, 0);
  // Cards that share an account come along with it.
  const ofAccounts = cards.filter(({ accountId }) =>
    [posted, both].some((each) => each.accountId === accountId),
  );
  assert.deepEqual([written.cards, written.holds, written.tokens], [ofAccounts.length, 2, 0]);

  const text = await openResult(here, written.path);
  const lines = text.trimEnd().split('\n');
  assert.match(
    lines[0],
    new RegExp(`^H,1,hand-back-${RANGE}-1,andina,production,delta,1,relevo,.*Z,${RANGE}$`),
  );
  assert.match(
    lines.find((line) => line.includes(holds[1]))!,
    /,unknown,0000,A1B2C3,000123,AB0456789012,/,
  );

  const { report } = await migrateFile(earlier, written.path);
  assert.equal(report.refusal, null);
  assert.equal(report.reconciled, true);
  assert.deepEqual(report.outcomes, { migrated: 2, updated: ofAccounts.length });
  await assertLedgerLaws(earlier);

  // Ids are drawn from external ids under each cell's own keys; the external ones are the same.
  const balances = ({ admin }: TestCell) => admin.rows<{ id: string; minor: string }>`
    select external_account_id as id, posted_minor::text as minor from ledger.accounts
     where external_account_id is not null order by 1`;
  const ours = new Map((await balances(here)).map(({ id, minor }) => [id, BigInt(minor)]));
  const theirs = new Map((await balances(earlier)).map(({ id, minor }) => [id, BigInt(minor)]));
  const differences = [...ours].flatMap(([id, minor]) =>
    theirs.get(id) === minor ? [] : [[id, theirs.get(id)! - minor]],
  );
  assert.deepEqual(
    new Map(differences as [string, bigint][]),
    // As of the moment before; and of another range.
    new Map([
      [both.externalAccountId, 77n],
      [foreign.externalAccountId, 5n],
    ]),
  );

  const open = await earlier.admin.rows<{ id: string; minor: string; card: string }>`
    select external_hold_id as id, amount_minor::text as minor, external_card_id as card
      from ledger.holds join cards.cards using (card_id)
     where external_hold_id = any(${holds}) and closed_at is null order by amount_minor`;
  assert.deepEqual(open, [
    { id: holds[0], minor: '700', card: held.externalCardId },
    { id: holds[1], minor: '800', card: both.externalCardId },
  ]);
});

test('every field of a card comes back as it came', async () => {
  const columns = (cell: TestCell) => cell.admin.rows<{ id: string }>`
    select external_card_id as id, expiry, pan_sequence, service_code, status, status_reason, card_type, product,
           issued_on, pin_format, pin_key_id, pin_tries_left, daily_limit_minor, monthly_limit_minor,
           embossed_name, pan_first6, pan_last4, external_cardholder_id, given_names, family_names, document_type,
           document_number, birth_date, email, phone, address_line, city, country
      from cards.cards join cardholders.cardholders using (cardholder_id) order by 1`;
  assert.deepEqual(await columns(earlier), await columns(here));
  const versions = await earlier.admin.rows<{ raised: string }>`
    select distinct version::text as raised from cards.cards where import_number > 1`;
  assert.ok(versions.length > 0 && versions.every(({ raised }) => BigInt(raised) > 1n));

  // Card numbers and PIN values are sealed under each cell's keys; opened they are the same.
  const opened = async ({ admin, vault }: TestCell) => {
    const rows = await admin.rows<{ id: string; cardId: Buffer; pan: Buffer; pin: Buffer | null }>`
      select external_card_id as id, uuid_send(card_id) as "cardId", pan_sealed as pan, pin_sealed as pin
        from cards.cards order by 1`;
    return rows.map(({ id, cardId, pan, pin }) => [
      id,
      vault.open('pan', pan, cardId).toString(),
      pin && vault.open('pin', pin, cardId).toString(),
    ]);
  };
  const theirs = await opened(earlier);
  assert.deepEqual(theirs, await opened(here));
  assert.ok(theirs.some(([, , pin]) => pin !== null));
});

test('the next file has the next number and higher versions, and loads as well', async () => {
  await move(cards[0], 'post', 10, { secondsAgo: 12 });
  const written = await handBack();
  assert.equal(written.sequence, 2);
  const { report } = await migrateFile(earlier, written.path);
  assert.deepEqual([report.refusal, report.reconciled], [null, true]);
  assert.equal(report.outcomes.rejected, undefined);
  assert.equal(report.outcomes.updated, written.cards);
  // A file that got lost is made again under its number.
  assert.equal((await handBack({ sequence: 2 })).sequence, 2);
  assert.equal((await handBack()).sequence, 3);
});

test('what a file brought after the cutover is handed back too, tokens among it', async () => {
  const { report } = await migrate(here, full(2));
  assert.equal(report.reconciled, true);
  const written = await handBack();
  assert.ok(written.cards > 5 && written.tokens > 0, JSON.stringify(written));
  const { report: loaded } = await migrateFile(earlier, written.path);
  assert.deepEqual([loaded.refusal?.code ?? null, loaded.reconciled], ['bad_sequence', null]);
  const again = await handBack({ sequence: 3 });
  const { report: taken } = await migrateFile(earlier, again.path);
  assert.deepEqual([taken.refusal, taken.reconciled, taken.rejections], [null, true, {}]);
});

test('of two files at once each has a number of its own, or is refused', async () => {
  const ends = await Promise.allSettled([handBack(), handBack(), handBack()]);
  const numbers = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.sequence] : []));
  assert.ok(numbers.length > 0);
  assert.equal(new Set(numbers).size, numbers.length);
  for (const end of ends) if (end.status === 'rejected') assert.equal(end.reason.code, 'hand_back_under_way');
  const left = (await readdir(here.folder)).filter((name) => name.endsWith('.new'));
  assert.deepEqual(left, []);
});

test('cards issued here make the gate red until they are handed back', async () => {
  await beat(here);
  const issued = 'issued-here-1';
  // Earlier files tell nothing of it.
  await here.admin.run`update authorisations.hand_backs set as_of = as_of - interval '1 minute'`;
  await here.admin.run`
    insert into cards.cards
    select (jsonb_populate_record(card, jsonb_build_object(
             'card_id', gen_random_uuid(), 'external_card_id', ${issued}::text, 'import_number', 0,
             'pan_index', gen_random_uuid(), 'issued_at', now() - interval '30 seconds'))).*
      from cards.cards card where card_id = ${cards[5].cardId}`;
  await resealAs(issued, withCheckDigit(`${RANGE}1234567`));
  const isRed = async () =>
    (await checkGate(cutover, RANGE)).checks.some(({ name, ok }) => name === 'no_cards_issued_here' && !ok);
  assert.equal(await isRed(), true);
  const written = await handBack({ sequence: 4 });
  assert.equal(await isRed(), false);
  const { report } = await migrateFile(earlier, written.path);
  assert.deepEqual([report.refusal, report.reconciled, report.rejections], [null, true, {}]);
  const known = await earlier.admin.rows`select from cards.cards where external_card_id = ${issued}`;
  assert.equal(known.length, 1);
});

/** Gives a card made for a test a number of its own, sealed for its place. */
async function resealAs(externalCardId: string, pan: string): Promise<void> {
  const [{ cardId }] = await here.admin.rows<{ cardId: Buffer }>`
    select uuid_send(card_id) as "cardId" from cards.cards where external_card_id = ${externalCardId}`;
  await here.admin.run`
    update cards.cards set pan_sealed = ${here.vault.seal('pan', Buffer.from(pan), cardId)}, pan_first6 = '450917',
           pan_last4 = ${pan.slice(-4)}, pin_sealed = null, pin_format = null, pin_key_id = null, pin_tries_left = null
     where external_card_id = ${externalCardId}`;
}

test('after a rollback the file speaks of the moment of the rollback', async () => {
  const rolledBack = SECONDS_AGO(15);
  await here.admin.run`
    insert into authorisations.flips (prefix, epoch, direction, operator, approved_by, flipped_at, told_at)
    values (${RANGE}, 2, 'rollback', 'ana', 'ana, bruno', ${rolledBack}, now())`;
  const { asOf } = await handBack();
  assert.equal(asOf.getTime(), Math.floor(rolledBack.getTime() / 1_000) * 1_000);
});

test('a file is not written over, and is readable by the tenant alone', async () => {
  const path = await here.keep('something');
  await assert.rejects(writeHandBack(cutover, { prefix: RANGE, path, operator: 'rosa' }), {
    code: 'file_exists',
  });
  assert.equal(await readFile(path, 'utf8'), 'something');
  await assert.rejects(handBack({ to: 'ABCD' }), { code: 'tenant_key_missing' });
  const second = await curveKey('Andina, second');
  await registerTenantKey(here, second);
  const anew = { ...cutover, keys: (await cutoverOf(here)).keys };
  const options = { prefix: RANGE, operator: 'rosa' };
  const signer = await writeHandBack(anew, { ...options, path: join(here.folder, 'signer.gpg') });
  assert.equal(signer.sealedTo, fingerprintOf(here.tenantKey).toUpperCase(), 'who signed the last file');
  const named = await writeHandBack(anew, {
    ...options,
    path: join(here.folder, 'named.gpg'),
    to: fingerprintOf(second).toLowerCase(),
  });
  assert.equal(named.sealedTo, fingerprintOf(second).toUpperCase());
  await assert.rejects(openResult(here, named.path));
});

test('every hand-back is in the audit trail, before and after', async () => {
  const entries = await here.admin.rows<{ action: string; details: string }>`
    select action, details from audit.entries where action like 'cutover.hand%' order by seq desc limit 2`;
  assert.deepEqual(
    entries.map(({ action }) => action),
    ['cutover.handed_back', 'cutover.hand_back_begun'],
  );
  const details = JSON.parse(entries[0].details);
  assert.deepEqual(Object.keys(details).sort(), [
    'as_of',
    'cards',
    'holds',
    'sealed_to',
    'sequence',
    'tokens',
  ]);
});
