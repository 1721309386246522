import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { services } from '#services/all.ts';
import { withLab } from '../lab/lab.ts';
import { Report } from '../lab/report.ts';
import { operationsNotTried } from './asked.ts';
import { Attempts, metError } from './attempts.ts';
import { Canaries } from './canaries.ts';
import { guards } from './guards.ts';
import { LAB_SETTINGS, proveIsolation } from './isolation.ts';
import { checkEdits } from './mutate.ts';
import { exampleOf, numberAfter, operations, requestOf, type Schema } from './operation-request.ts';
import { PART_NAMES, parts } from './parts.ts';
import type { SealedCell } from './sealed-cell.ts';
import { textsOf } from './tries/injection.ts';
import { wordsOfSql } from './words-of-sql.ts';

test('a guard that is not the one for an attempt, an answer and a fault are all told', () => {
  const attempts = new Attempts();
  attempts.tried('door', 'first', { guard: 'lock' }, ['lock']);
  attempts.tried('door', 'second', { guard: 'dog' }, ['lock']);
  attempts.tried('door', 'third', { got: 'inside' }, ['lock']);
  attempts.tried('door', 'fourth', metError(new Error('the door fell off')), ['lock']);
  attempts.allowed('door', 'with the key', true, 'inside');
  assert.deepEqual(
    attempts.all.map(({ outcome }) => outcome),
    ['stopped', 'astray', 'crossed', 'broken'],
  );
  assert.deepEqual(
    attempts.bad.map(({ what }) => what),
    ['second', 'third', 'fourth'],
  );
  const [tally] = attempts.tallies();
  assert.deepEqual(tally.stoppedBy, { lock: 1 });
  assert.equal(tally.legitimate, 1);
});

test('what PostgreSQL says is known, and numbers of messages are none of it', () => {
  for (const said of [
    'error: syntax error at or near "drop"',
    'invalid input syntax for type uuid: "$1"',
    '{"code":"42601"}',
    'SQLSTATE 42703',
    '22P02: what was sent',
    'relation "cards.cards" does not exist',
  ])
    assert.notEqual(wordsOfSql(said), null, said);
  for (const [before, after] of [
    [141_998, 141_999],
    [141_999, 143_000],
    [419_999, 430_000],
    [442_500, 443_000],
  ])
    assert.equal(numberAfter(before), after);
});

test('canaries are found wherever they stand, and nothing else is', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.stringMatching(/^[a-zA-Z0-9+/=.$()]{12,40}$/),
      (before, after, value) => {
        const canaries = new Canaries();
        canaries.add('one', value);
        canaries.lookAt('there', before + value + after);
        assert.ok(canaries.finds.length >= 1);
        canaries.finds.length = 0;
        canaries.lookAt('there', before.replaceAll(value, ''));
        assert.equal(canaries.finds.length, before.replaceAll(value, '').includes(value) ? 1 : 0);
      },
    ),
  );
});

test('each guard is taken away by edits that fit, and some part looks at it', async () => {
  await checkEdits();
  for (const { name, part, edits } of guards) {
    assert.ok(PART_NAMES.includes(part), name);
    assert.ok(edits.every(({ from, to }) => from !== to));
  }
  await assert.rejects(
    checkEdits([{ ...guards[0], edits: [{ file: 'package.json', from: 'no such text anywhere', to: '' }] }]),
    /is found 0 times/,
  );
});

test('every declared operation gets a request that its own schema takes', () => {
  const nobody = { ids: {}, pans: [] } as unknown as SealedCell;
  for (const operation of operations) {
    const { path, body } = requestOf(operation, { of: nobody });
    assert.doesNotMatch(path, /:|undefined/);
    const required = (operation.http.body as Schema | undefined)?.required ?? [];
    for (const name of required) assert.ok(name in (body as object), `${operation.operation}.${name}`);
  }
  assert.equal(exampleOf({ type: 'string', examples: ['5411'] }), '5411');
});

test('every text of every declared operation can be sent, in optional fields and in lists as well', () => {
  const nobody = { ids: {}, pans: [] } as unknown as SealedCell;
  const seen: string[] = [];
  for (const operation of operations)
    for (const part of [operation.http.params, operation.http.query, operation.http.body])
      for (const name of textsOf(part as Schema | undefined)) {
        const { path, body } = requestOf(operation, { of: nobody, with: { [name]: 'mark-of-a-text' } });
        assert.match(`${path} ${JSON.stringify(body)}`, /mark-of-a-text/, `${operation.operation}.${name}`);
        seen.push(name);
      }
  for (const name of ['card_id', 'limit', 'blocked', 'only', 'daily_count'])
    assert.ok(seen.includes(name), name);
});

test('an operation that is declared and was not tried is told', () => {
  const tried = [{ kind: 'caller that is not proven', what: 'cards.readCard by gateway: run out' }];
  const missing = operationsNotTried(tried);
  assert.ok(!missing.includes('cards.readCard: caller that is not proven'));
  assert.ok(missing.includes('cards.readCard: forged token'));
  assert.ok(missing.includes('ledger.readAccount: caller that is not proven'));
});

test('nothing crosses between cells: callers, roles and sealed values', { timeout: 240_000 }, async () => {
  const said: string[] = [];
  const report = new Report((line) => said.push(line));
  const attempts = await withLab(LAB_SETTINGS, (lab) =>
    proveIsolation(
      lab,
      { only: ['callers', 'files', 'identifiers', 'interleaved'], isShort: true, verbose: false },
      report,
    ),
  );
  assert.deepEqual(report.broken, [], said.join('\n'));
  assert.ok(attempts.all.length > services.length * 50);
  assert.ok(parts.length > 4);
});
