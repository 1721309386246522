import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  addMessages,
  beat,
  closedBooks,
  cutoverOf,
  PROCESSOR,
  RANGE,
} from '#services/authorisations/cutover/test-cutover.ts';
import { testCell } from '#tools/testing/cell.ts';
import { runRelevo } from '#tools/testing/cli.ts';
import { testServer } from '#tools/testing/server.ts';

/** An operator takes a range over, at the command line. */
const cell = await testCell();
const cutover = await cutoverOf(cell);
const { server } = await testServer();
const name = `${cell.name.tenant}/production`;
const environment = {
  RELEVO_HOME: cell.opened.home,
  RELEVO_DATABASE_URL: server.adminUrl,
  RELEVO_OPERATOR: 'rosa',
};

const relevo = (words: string) => runRelevo([...words.split(' '), '--cell', name], environment);
async function json(words: string, status = 0): Promise<Record<string, unknown>> {
  const ended = await relevo(`${words} --json`);
  assert.equal(ended.status, status, `${words}: ${ended.stdout}${ended.stderr}`);
  return JSON.parse(ended.stdout);
}
const errorOf = async (words: string) => ((await json(words, 2))['error'] as { code: string }).code;

test('ranges are made, listed and refused in the words of the command line', async () => {
  const { stdout } = await relevo('range list');
  assert.match(stdout, /No BIN ranges yet/);
  const many = await relevo('range set --range 4242 --processor nowhere --budget-ms soon');
  assert.equal(many.status, 2);
  assert.match(
    many.stderr,
    /3 things need attention\n {2}--range {2}.*\n {2}--processor {2}.*\n {2}--budget-ms {2}/,
  );

  const made = await json(
    `range set --range ${RANGE} --processor ${PROCESSOR} --window-messages 5 --stand-in-amount 20000 --stand-in-count 3`,
  );
  assert.deepEqual(
    [made['outcome'], made['mode'], made['stand_in_amount_minor'], made['agreement_bar']],
    ['made', 'relay', 20000, 0.999],
  );
  const { ranges } = await json('range list');
  assert.deepEqual(
    (ranges as { range: string }[]).map(({ range }) => range),
    [RANGE],
  );
  assert.match((await relevo('range list')).stdout, /424242 +relay +1 .*127\.0\.0\.1:9100 \(binary\)/);
  assert.equal(await errorOf(`range set --range ${RANGE} --mode own`), 'mode_by_cutover');
  assert.equal(await errorOf(`range set --range ${RANGE}42 --mode own`), 'range_nested');
  assert.equal((await json(`range set --range ${RANGE} --no-stand-in`))['stand_in_amount_minor'], null);
  assert.equal((await json('range set --range 555555 --mode own'))['mode'], 'own');
  assert.equal((await json('range remove --range 555555'))['removed'], '555555');
});

test('the gate is told check by check; red ends with 2', async () => {
  await addMessages(cell, { count: 3, ownCode: '51', ownReason: 'insufficient_funds' });
  const red = await json(`cutover check --range ${RANGE}`, 2);
  assert.deepEqual([red['green'], red['direction'], red['approvals_needed']], [false, 'cutover', 2]);
  const checks = red['checks'] as { name: string; ok: boolean; advice: string }[];
  assert.deepEqual(Object.keys(checks[0]), ['name', 'ok', 'found', 'needed', 'advice']);
  const { stdout } = await relevo(`cutover check --range ${RANGE}`);
  assert.match(stdout, /The gate for a cutover is RED/);
  assert.match(stdout, /RED +shadow_agreement +0 % \(0 of 3\) +at least 99\.9 %/);
  assert.match(stdout, /00 Approved +51 Not sufficient funds +insufficient_funds +3/);
  assert.equal(await errorOf('cutover check --range 555555'), 'unknown_range');
  assert.equal(await errorOf(`cutover flip --range ${RANGE}`), 'gate_red');
});

test('approved by two, flipped, rolled back; every step in the trail, which is intact', async () => {
  await cell.admin.run`truncate authorisations.messages`;
  await addMessages(cell, { count: 10 });
  await closedBooks(cell);
  await beat(cell);
  assert.equal((await json(`cutover check --range ${RANGE}`))['green'], true);
  const first = await json(`cutover approve --range ${RANGE}`);
  assert.deepEqual(
    (first['approvals'] as { operator: string }[]).map(({ operator }) => operator),
    ['rosa'],
  );
  assert.equal(await errorOf(`cutover approve --range ${RANGE}`), 'own_request');
  assert.equal(await errorOf(`cutover flip --range ${RANGE}`), 'not_approved');
  const second = await relevo(`cutover approve --range ${RANGE} --operator ana`);
  assert.match(second.stdout, /ana approves the cutover of 424242\.[^]*Approved: \.\/relevo cutover flip/);
  const flipped = await json(`cutover flip --range ${RANGE}`);
  assert.deepEqual(
    [flipped['mode'], flipped['epoch'], flipped['approved_by'], flipped['recovered']],
    ['own', 2, ['rosa', 'ana'], false],
  );
  assert.equal(await errorOf(`cutover flip --range ${RANGE}`), 'nothing_to_cut_over');
  for (const operator of ['rosa', 'ana'])
    await json(`cutover approve --range ${RANGE} --direction rollback --operator ${operator}`);
  const back = await relevo(`cutover rollback --range ${RANGE} --operator bruno`);
  assert.match(back.stdout, /424242 is decided by the earlier processor from .* on \(relay, epoch 3\)/);
  assert.equal(await errorOf(`cutover rollback --range ${RANGE}`), 'nothing_to_roll_back');

  const { entries } = await json('audit list --action cutover');
  assert.deepEqual(
    (entries as { actor: string; action: string }[]).map(({ actor, action }) => `${actor} ${action}`),
    [
      'rosa cutover.approved',
      'ana cutover.approved',
      'rosa cutover.cutover_begun',
      'rosa cutover.flipped',
      'rosa cutover.approved',
      'ana cutover.approved',
      'bruno cutover.rollback_begun',
      'bruno cutover.rolled_back',
    ],
  );
  await json('audit verify');
  assert.equal((await cutover.db.rows`select from authorisations.flips`).length, 2);
});

test('a hand-back without anything to tell writes no file', async () => {
  assert.equal(
    await errorOf(`cutover hand-back --range ${RANGE} --out ${cell.folder}/x.gpg`),
    'nothing_to_hand_back',
  );
});

test('the tail is one document, or one line for each message while it follows', async () => {
  await addMessages(cell, { count: 1, secondsAgo: 1, ownCode: '51', ownReason: 'insufficient_funds' });
  const { messages } = await json('authorisations tail --limit 2');
  const [, last] = messages as Record<string, unknown>[];
  assert.deepEqual(
    [last['pan'], last['amount_minor'], last['response_code'], last['own_code'], last['differs']],
    ['424242******4242', 1250, '00', '51', true],
  );
  const { stdout } = await relevo(`authorisations tail --range ${RANGE} --limit 1`);
  assert.match(
    stdout,
    /authorisation +424242\*{6}4242 +1250 PEN +00 +earlier +≠ shadow 51 insufficient_funds/,
  );
  assert.equal(await errorOf('authorisations tail --range 42'), 'bad_range');

  const words = ['authorisations', 'tail', '--cell', name, '--limit', '1', '--follow', '--json'];
  const child = spawn(fileURLToPath(new URL('../relevo', import.meta.url)), words, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal(JSON.parse((await lines.next()).value!).own_code, '51');
  await addMessages(cell, { count: 1, secondsAgo: 0, decidedBy: 'own' });
  assert.equal(JSON.parse((await lines.next()).value!).decided_by, 'own');
  child.kill('SIGINT');
  assert.equal(await ended, 0);
});
