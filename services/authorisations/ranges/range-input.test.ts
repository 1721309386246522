import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '#runtime/refusal.ts';
import type { RangeSettings } from './list-ranges.ts';
import { overlaps, type RangeInput, readRangeInput } from './range-input.ts';

const PROCESSOR = '10.0.7.20:8583';

const range = (changed: Partial<RangeSettings> = {}): RangeSettings => ({
  prefix: '424242',
  mode: 'relay',
  epoch: 1,
  processor: PROCESSOR,
  processorFraming: 'binary',
  budgetMs: 2000,
  standInAmountMinor: null,
  standInCount: null,
  agreementBar: 0.999,
  windowMinutes: 60,
  windowMessages: 1000,
  pinPolicy: 'pass',
  setAt: new Date(0),
  flippedAt: null,
  ...changed,
});

function refusal(input: RangeInput, all: readonly RangeSettings[] = []): Refusal {
  try {
    readRangeInput(input, all);
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return error;
  }
  throw new Error('nothing was refused');
}

test('the first set decides the mode: relay with its processor, or own without one', () => {
  const relay = readRangeInput({ prefix: '424242', processor: PROCESSOR }, []);
  assert.deepEqual({ ...relay }, (({ epoch: _, setAt: __, flippedAt: ___, ...terms }) => terms)(range()));
  const own = readRangeInput({ prefix: '42424299', mode: 'own' }, []);
  assert.deepEqual([own.mode, own.processor], ['own', null]);
  assert.equal(refusal({ prefix: '424242' }).code, 'processor_missing');
  assert.equal(refusal({ prefix: '424242', mode: 'relay' }).code, 'processor_missing');
  assert.equal(refusal({ prefix: '424242', mode: 'own', processor: PROCESSOR }).code, 'mode_by_cutover');
});

test('after it the mode is changed by a cutover or a rollback alone', () => {
  const { code, message } = refusal({ prefix: '424242', mode: 'own' }, [range()]);
  assert.equal(code, 'mode_by_cutover');
  assert.match(message, /424242 is relay; a cutover makes it own/);
  assert.match(refusal({ prefix: '424242', mode: 'relay' }, [range({ mode: 'own' })]).message, /a rollback/);
  // Saying what is so already is no change.
  assert.equal(readRangeInput({ prefix: '424242', mode: 'relay' }, [range()]).mode, 'relay');
  // A processor that has moved is told where it is now; one that there never was is not made up.
  const own = range({ mode: 'own' });
  assert.equal(readRangeInput({ prefix: '424242', processor: 'b:1' }, [own]).processor, 'b:1');
  const alone = range({ mode: 'own', processor: null });
  assert.equal(refusal({ prefix: '424242', processor: 'b:1' }, [alone]).code, 'mode_by_cutover');
});

test('ranges do not lie in each other', () => {
  const all = [range()];
  for (const prefix of ['4242421', '42424212'])
    assert.equal(refusal({ prefix, processor: PROCESSOR }, all).code, 'range_nested');
  const inner = [range({ prefix: '42424200' })];
  assert.equal(refusal({ prefix: '424242', processor: PROCESSOR }, inner).code, 'range_nested');
  assert.equal(readRangeInput({ prefix: '42424201', processor: PROCESSOR }, inner).prefix, '42424201');
  assert.ok(
    overlaps('424242', '42424299') && overlaps('42424299', '424242') && !overlaps('424242', '424243'),
  );
});

test('what is left out stays as it is', () => {
  const known = range({ standInAmountMinor: 20000, standInCount: 3, agreementBar: 0.95 });
  const terms = readRangeInput({ prefix: '424242', budgetMs: '500' }, [known]);
  assert.deepEqual(
    [terms.budgetMs, terms.standInAmountMinor, terms.standInCount, terms.agreementBar],
    [500, 20000, 3, 0.95],
  );
  const lifted = readRangeInput({ prefix: '424242', noStandIn: true }, [known]);
  assert.deepEqual([lifted.standInAmountMinor, lifted.standInCount], [null, null]);
});

test('each setting has its rule', () => {
  const good: Partial<RangeInput>[] = [
    { processor: 'switch.example.com:1' },
    { processor: '[fd00::7]:65535' },
    { processorFraming: 'ascii' },
    { budgetMs: '50' },
    { standInAmountMinor: '0', standInCount: '0' },
    { agreementBar: '1' },
    { agreementBar: '0.99995' },
    { windowMinutes: '10080', windowMessages: '0' },
    { pinPolicy: 'require' },
  ];
  for (const input of good) readRangeInput({ prefix: '424242', processor: PROCESSOR, ...input }, []);
  const bad: Partial<RangeInput>[] = [
    { processor: 'switch' },
    { processor: 'switch:0' },
    { processor: 'switch:65536' },
    { processor: 'http://switch:80' },
    { processorFraming: 'bcd' },
    { budgetMs: '49' },
    { budgetMs: '1e3' },
    { standInAmountMinor: '100' },
    { standInCount: '3' },
    { standInAmountMinor: '-1', standInCount: '3' },
    { standInAmountMinor: '9007199254740992', standInCount: '3' },
    { agreementBar: '1.1' },
    { agreementBar: '99.9%' },
    { windowMinutes: '0' },
    { windowMessages: 'many' },
    { pinPolicy: 'never' },
    { mode: 'shadow' },
  ];
  for (const input of bad)
    assert.equal(
      refusal({ prefix: '424242', processor: PROCESSOR, ...input }).code,
      'bad_range_setting',
      JSON.stringify(input),
    );
  for (const prefix of ['42424', '424242424', '4242a2', '', '４２４２４２', ' 424242'])
    assert.equal(refusal({ prefix, processor: PROCESSOR }).code, 'bad_range', prefix);
});

test('all problems are told at once, under the code of the first', () => {
  const { code, message } = refusal({ prefix: '4242', processor: 'x', budgetMs: 'y', agreementBar: 'z' });
  assert.equal(code, 'bad_range');
  assert.match(message, /^Nothing is set: 4 things need attention\n/);
  for (const setting of ['prefix', 'processor', 'budgetMs', 'agreementBar'])
    assert.match(message, new RegExp(`\n  ${setting}  `));
  // What may be a card number is not repeated.
  assert.doesNotMatch(refusal({ prefix: '4242424242424242', mode: 'own' }).message, /42424242/);
});
