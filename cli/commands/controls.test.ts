import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import pg from 'pg';
import { type CellName, databaseName } from '#delivery/cells/cell-name.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { cardIdOf } from '#services/authorisations/controls/card-id.ts';
import { newUser } from '#tools/testing/cli.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** Spend controls at the command line, in the order of this file. */
const user = await newUser();
const { tenant, home } = user;
const { server } = await testServer();
const name: CellName = { tenant, environment: 'staging' };
const CELL = `${tenant}/staging`;

interface Version {
  card?: string;
  product?: string;
  version: number;
  state: string;
  controls: Record<string, unknown>;
  changed: boolean;
  cards_here: boolean;
}

let admin: pg.Client;
/** A card of the sample, and others of its product. */
let card: { id: string; externalId: string; product: string };

before(async () => {
  await user.json(`tenant add ${tenant}`);
  await user.json(`portfolio sample ${home}/full.gpg --cell ${CELL} --cards 60`);
  await user.json(`migrate start ${home}/full.gpg --cell ${CELL} --wait`);
  const url = new URL(server.adminUrl);
  url.pathname = `/${databaseName(name)}`;
  admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  atEnd(() => admin.end());
  [card] = (
    await admin.query(
      `select card_id as id, external_card_id as "externalId", product from cards.cards limit 1`,
    )
  ).rows;
});

/** Messages of the card with these answers, as the service records them. */
async function record(cardId: string, ownCode: string | null, draftCode: string | null, times: number) {
  for (let i = 0; i < times; i++) {
    const key = createHash('md5')
      .update(`${cardId} ${ownCode} ${draftCode} ${i} ${Math.random()}`)
      .digest('hex');
    await admin.query(
      `insert into authorisations.messages
         (message_key, content_code, received_at, moved_at, pan_index, amount_minor, kind, prefix, state, currency,
          response_code, card_id, own_code, draft_code, pan_masked, request)
       values ($1, $1, now(), now(), $1, 1, 'authorisation', '450917', 'done', 'PEN', '00', $2, $3, $4, '', '')`,
      [key, cardId, ownCode, draftCode],
    );
  }
}

const set = (words: string) => user.json<Version>(`controls set --cell ${CELL} ${words}`);
const list = async (words = '') =>
  (await user.json<{ controls: Version[] }>(`controls list --cell ${CELL}${words}`)).controls;

test('the id of a card is the one that the import gave it', async () => {
  const cell = await openCell(server, home, name);
  try {
    const vault = await openVault(cell, cell.connect('keys', 1));
    assert.equal(cardIdOf(vault, card.externalId), card.id);
  } finally {
    await cell.close();
  }
});

test('controls are set for a card and for a product', async () => {
  const ofCard = await set(`--card ${card.externalId} --single 5000 --daily-count 10 --only-country PE,cl`);
  assert.deepEqual(
    [ofCard.card, ofCard.version, ofCard.state, ofCard.changed, ofCard.cards_here],
    [card.externalId, 1, 'active', true, true],
  );
  assert.deepEqual(ofCard.controls, { singleMinor: 5000, dailyCount: 10, countries: { only: ['CL', 'PE'] } });
  const words = '--daily-amount 1 --monthly-amount 2 --monthly-count 3 --block-mcc 7995,5933-5937';
  const ofProduct = await set(`--product ${card.product} ${words}`);
  assert.deepEqual(ofProduct.controls, {
    dailyMinor: 1,
    monthlyMinor: 2,
    monthlyCount: 3,
    categories: { blocked: ['5933-5937', '7995'] },
  });
  const again = await set(`--product ${card.product} ${words}`);
  assert.deepEqual([again.version, again.changed], [1, false]);
  const rest = await set('--product no-such-one --only-mcc 5411 --block-country US');
  assert.deepEqual([rest.product, rest.cards_here], ['no-such-one', false]);
  assert.deepEqual(rest.controls, { categories: { only: ['5411'] }, countries: { blocked: ['US'] } });
});

test('they are listed, all or those of one, with what they replaced where asked', async () => {
  await set('--product no-such-one --none');
  const shown = (await list()).map((each) => [each.product ?? each.card, each.version, each.state]);
  assert.deepEqual(
    shown.sort(),
    [
      [card.externalId, 1, 'active'],
      [card.product, 1, 'active'],
      ['no-such-one', 2, 'active'],
    ].sort(),
  );
  assert.deepEqual(
    (await list(' --product no-such-one --retired')).map(({ version, state }) => [version, state]),
    [
      [2, 'active'],
      [1, 'retired'],
    ],
  );
  assert.equal((await list(` --card ${card.externalId}`)).length, 1);
  const { stdout } = await user.relevo(`controls list --cell ${CELL}`);
  assert.match(stdout, new RegExp(`card ${card.externalId} +1  active .* 5,000 a transaction`));
  assert.match(stdout, /product no-such-one +2 {2}active .* no limit/);
});

test('a draft is compared over the messages since, and promoted', async () => {
  const subject = `--cell ${CELL} --product ${card.product}`;
  await record(card.id, '00', '61', 5);
  assert.equal(
    (await user.json<{ error: { code: string } }>(`controls compare ${subject}`, 2)).error.code,
    'no_draft',
  );
  const draft = await set(`--product ${card.product} --single 700 --draft`);
  assert.deepEqual([draft.version, draft.state], [2, 'draft']);
  const { stdout: nothing } = await user.relevo(`controls compare ${subject}`);
  assert.match(nothing, /No message of its cards has come since/);

  await record(card.id, '00', '00', 4);
  await record(card.id, '00', '61', 2);
  await record(card.id, '57', '00', 1);
  await record(card.id, '51', '61', 1);
  await record(card.id, '00', null, 3);
  const other = await admin.query(`select card_id from cards.cards where product <> $1 limit 1`, [
    card.product,
  ]);
  await record(other.rows[0].card_id, '00', '61', 9);
  const compared = await user.json(`controls compare ${subject}`);
  assert.deepEqual(
    ['messages', 'same', 'draft_declines', 'draft_approves'].map((key) => compared[key]),
    [8, 4, 2, 1],
  );
  assert.deepEqual(compared['differences'], [
    { own_code: '00', draft_code: '61', messages: 2 },
    { own_code: '51', draft_code: '61', messages: 1 },
    { own_code: '57', draft_code: '00', messages: 1 },
  ]);
  const { stdout } = await user.relevo(`controls compare ${subject}`);
  assert.match(stdout, /8 messages, 4 with the same answer; the draft would decline 2/);
  assert.match(stdout, /00 Approved +61 Over the amount limit +2/);

  const promoted = await user.json<Version>(`controls promote ${subject}`);
  assert.deepEqual([promoted.version, promoted.state], [2, 'active']);
  assert.deepEqual(
    (await list(` --product ${card.product} --retired`)).map(({ version, state }) => [version, state]),
    [
      [2, 'active'],
      [1, 'retired'],
    ],
  );
  assert.equal(
    (await user.json<{ error: { code: string } }>(`controls promote ${subject}`, 2)).error.code,
    'no_draft',
  );
});

test('a draft for one card is compared over its own messages', async () => {
  await set(`--card ${card.externalId} --single 1 --draft`);
  await record(card.id, '00', '61', 2);
  const compared = await user.json(`controls compare --cell ${CELL} --card ${card.externalId}`);
  assert.deepEqual([compared['messages'], compared['draft_declines']], [2, 2]);
});

test('changes stand in the audit trail, repeats do not', async () => {
  const { rows } = await admin.query(`select action, subject, details::text from audit.entries order by seq`);
  const ofControls = rows.filter(({ action }) => action.startsWith('controls.'));
  assert.deepEqual(
    ofControls.map(({ action, subject }) => `${action} ${subject}`),
    [
      `controls.set card ${card.id}`,
      `controls.set product ${card.product}`,
      'controls.set product no-such-one',
      'controls.set product no-such-one',
      `controls.set product ${card.product}`,
      `controls.promoted product ${card.product}`,
      `controls.set card ${card.id}`,
    ],
  );
  assert.match(ofControls[1].details, /no categories 5933-5937 or 7995/);
});

test('mistakes are told in words, all at once', async () => {
  const { status, stderr } = await user.relevo(
    `controls set --cell ${CELL} --product x --single abc --block-mcc 79,7995 --only-country XX`,
  );
  assert.equal(status, 2);
  assert.match(stderr, /3 controls need attention/);
  assert.match(stderr, /--single {2}"abc" is not a whole number/);
  assert.match(stderr, /--block-mcc {2}"79" is not a merchant category/);
  assert.match(stderr, /--only-country {2}"XX" is not a country/);
});

test('what cannot be set is refused', async () => {
  const refusals: Readonly<Record<string, string>> = {
    '--single 5': 'whose_controls',
    '--product x': 'no_controls',
    '--product x,y --single 5': 'bad_subject',
    '--card no-such-card --single 5': 'unknown_card',
    '--product x --card y --single 5': 'bad_usage',
    '--product x --none --single 5': 'bad_usage',
    '--product x --block-mcc ,': 'bad_controls',
  };
  for (const [words, code] of Object.entries(refusals)) {
    const { error } = await user.json<{ error: { code: string } }>(`controls set --cell ${CELL} ${words}`, 2);
    assert.equal(error.code, code, words);
  }
});
