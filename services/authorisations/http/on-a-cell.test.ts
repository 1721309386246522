import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell, type TestCell } from '#tools/testing/cell.ts';
import { EarlierProcessor } from '#tools/testing/earlier-processor.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { panOf } from '#tools/testing/pans.ts';
import { until } from '#tools/testing/until.ts';
import type { MessagePipeline } from '../pipeline/pipeline.ts';
import { serveHttp } from './serve-http.ts';
import { advice, authorisation, type Body, reversal } from './testing/bodies.ts';
import { TOKEN } from './testing/server.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

type Told = readonly [status: number, body: Readonly<Record<string, unknown>>];

/** Opens the door of a pipeline, and sends it what a host would. */
async function host(t: Scope, pipeline: MessagePipeline) {
  const door = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    token: TOKEN,
    submit: (incoming) => pipeline.answer(incoming),
    isReady: () => true,
    onTrouble: (error) => console.error(error),
  });
  t.after(() => door.close());
  return async (path: string, body: Body): Promise<Told> => {
    const answer = await fetch(`http://127.0.0.1:${door.port}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return [answer.status, (await answer.json()) as Told[1]];
  };
}

let stan = 0;
const ofNow = (card: string, other: Body = {}): Body => ({
  card_number: panOf(`h-${card}`),
  expiry: undefined,
  transmitted_at: new Date().toISOString().replace(/\.\d+Z/, 'Z'),
  stan: String(++stan).padStart(6, '0'),
  rrn: `h${String(stan).padStart(11, '0')}`,
  ...other,
});

const balance = async ({ admin }: TestCell, card: string) => {
  const [account] = await admin.rows<{ posted: string; held: string }>`
    select posted_minor::text as posted, held_minor::text as held from ledger.accounts
     where external_account_id = ${`h-a-${card}`}`;
  return account;
};

suite('through the pipeline of a cell', () => {
  test('a purchase from its hold to its posting, and another one reversed', async (t) => {
    const cell = await testCell(t);
    await setTestRange(cell);
    const { pipeline } = await testPipeline(t, cell);
    await MessagePlay.cards(cell, 'full\ncard c1 posted=10000', 'h');
    const send = await host(t, pipeline);

    const first = authorisation(ofNow('c1', { amount_minor: '6000' }));
    const [status, approved] = await send('/v1/authorisations', first);
    assert.deepEqual([status, approved['decision'], approved['amount_minor']], [200, 'approved', '6000']);
    assert.match(String(approved['approval_code']), /^[A-Z0-9]{6}$/);
    assert.deepEqual(await balance(cell, 'c1'), { posted: '10000', held: '6000' });
    assert.deepEqual(await send('/v1/authorisations', first), [200, approved], 'a repeat is answered alike');

    const [otherStatus, other] = await send('/v1/authorisations', { ...first, amount_minor: '6001' });
    assert.deepEqual([otherStatus, other['code']], [409, 'other_content']);

    const second = authorisation(ofNow('c1', { amount_minor: '5000' }));
    const [, declined] = await send('/v1/authorisations', second);
    assert.deepEqual(
      [declined['decision'], declined['response_code'], declined['reason']],
      ['declined', '51', 'insufficient_funds'],
    );
    assert.deepEqual(await send('/v1/authorisations', second), [200, declined], 'so is a decline');

    const cleared = advice(
      ofNow('c1', { amount_minor: '5500', rrn: first['rrn'], approval_code: approved['approval_code'] }),
    );
    assert.equal((await send('/v1/advices', cleared))[1]['decision'], 'approved');
    assert.deepEqual(await balance(cell, 'c1'), { posted: '4500', held: '0' });

    const third = authorisation(ofNow('c1', { amount_minor: '4000' }));
    await send('/v1/authorisations', third);
    const { transmitted_at, stan: itsStan, rrn } = third;
    const partial = reversal(
      ofNow('c1', {
        amount_minor: '4000',
        replacement_minor: '1000',
        rrn,
        original: { kind: 'authorisation', transmitted_at, stan: itsStan },
      }),
    );
    assert.equal((await send('/v1/reversals', partial))[1]['decision'], 'approved');
    assert.deepEqual(await balance(cell, 'c1'), { posted: '4500', held: '1000' });

    const paid = authorisation(ofNow('c1', { amount_minor: '500' }));
    assert.equal((await send('/v1/financials', paid))[1]['decision'], 'approved');
    const back = advice(
      ofNow('c1', { amount_minor: '200', processing_type: 'refund', approval_code: undefined }),
    );
    assert.equal((await send('/v1/advices', back))[1]['decision'], 'approved');
    assert.deepEqual(await balance(cell, 'c1'), { posted: '4200', held: '1000' });

    const [, unknown] = await send('/v1/authorisations', authorisation(ofNow('nobody')));
    assert.deepEqual([unknown['response_code'], unknown['reason']], ['14', 'unknown_card']);
    await assertLedgerLaws(cell);
  });

  test('PIN, chip and card number are in none of the tables', async (t) => {
    const cell = await testCell(t);
    await setTestRange(cell);
    const { pipeline } = await testPipeline(t, cell);
    await MessagePlay.cards(cell, 'full\ncard c1 posted=10000', 'h');
    const send = await host(t, pipeline);
    const [pinBlock, chipData] = ['A1B2C3D4E5F60718', '9F26080102030405060708'];
    await send(
      '/v1/authorisations',
      authorisation(ofNow('c1', { pin_block: pinBlock, chip_data: chipData })),
    );
    const rows = await cell.admin.rows<{ request: Buffer; row: string }>`
      select request, messages::text as row from authorisations.messages`;
    assert.equal(rows.length, 1);
    for (const secret of [pinBlock, chipData, panOf('h-c1')]) {
      assert.ok(!rows[0].request.toString('latin1').includes(secret));
      assert.ok(!rows[0].row.includes(secret));
    }
  });

  test('of a relayed range the earlier processor decides, by ISO 8583', async (t) => {
    const cell = await testCell(t);
    const processor = await EarlierProcessor.start(t, (message) =>
      message.get(4) === '000000000666'
        ? { responseCode: '05' }
        : { responseCode: '00', approvalCode: 'EARL01', fields: { 62: 'PRIVATE' } },
    );
    await setTestRange(cell, { mode: 'relay', processor: processor.address });
    const { pipeline, processors } = await testPipeline(t, cell);
    await MessagePlay.cards(cell, 'full\ncard c1 posted=10000', 'h');
    await until('the processor is reached', () => Object.values(processors.up()).every(Boolean));
    const send = await host(t, pipeline);

    const first = authorisation(ofNow('c1', { amount_minor: '6000', pin_block: 'A1B2C3D4E5F60718' }));
    const [, approved] = await send('/v1/authorisations', first);
    assert.deepEqual([approved['decision'], approved['approval_code']], ['approved', 'EARL01']);
    assert.deepEqual(await balance(cell, 'c1'), { posted: '10000', held: '6000' });
    assert.deepEqual(await send('/v1/authorisations', first), [200, approved]);

    const [, declined] = await send(
      '/v1/authorisations',
      authorisation(ofNow('c1', { amount_minor: '666' })),
    );
    assert.deepEqual(
      [declined['decision'], declined['response_code'], declined['response_text'], declined['reason']],
      ['declined', '05', 'Do not honour', undefined],
    );
    const [heard] = processor.received.filter(({ mti }) => mti === '0100');
    assert.deepEqual(
      [2, 4, 37, 43, 49, 52].map((field) => heard.get(field)),
      [
        first['card_number'],
        '000000006000',
        first['rrn'],
        'BODEGA EL SOL          LIMA           PE',
        '604',
        'A1B2C3D4E5F60718',
      ],
    );
  });
});
