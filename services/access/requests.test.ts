import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '#runtime/refusal.ts';
import { testCell } from '#tools/testing/cell.ts';
import { runs } from '#tools/testing/seed.ts';
import { enterAccess } from '#delivery/local/enter-access.ts';
import { BODY_BYTES_MAX } from './end-request.ts';

/** Idempotency keys, as the processes of a cell's API use them: two of them, on one real database. */
const cell = await testCell();
const settings = {
  issuer: 'https://staging.quipu.example',
  onTrouble: (error: unknown) => console.error(error),
};
const [one, two] = [enterAccess(cell.opened, settings).requests, enterAccess(cell.opened, settings).requests];

const clientId = 'quipu-staging-bcdfghjkmnpqrs';
const request = (key: string, more = {}) => ({
  clientId,
  key,
  operation: 'cards.freezeCard',
  fingerprint: 'a digest of the body',
  ...more,
});
const body = Buffer.from('{"frozen":true}');

/** Time passes for all requests of the database: the service reads no other clock. */
const pass = (interval: string) => cell.admin.run`
  update access.requests set begun_at = begun_at - ${interval}::interval, leased_until = leased_until - ${interval}::interval`;
const refusedAs = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;

test('a key is new once; then its request is under way, then it is answered, always the same', async () => {
  const asked = request('k1');
  const begun = await one.beginRequest(asked);
  assert.deepEqual(begun, { state: 'new', epoch: 1, isAgain: false });
  const meanwhile = await two.beginRequest(asked);
  assert.equal(meanwhile.state, 'under_way');
  assert.ok(meanwhile.state === 'under_way' && meanwhile.msLeft > 50_000 && meanwhile.msLeft <= 60_000);
  assert.deepEqual(await one.endRequest({ ...asked, epoch: 1, status: 201, body }), { isBodyKept: true });
  for (const again of [one, two])
    assert.deepEqual(await again.beginRequest(asked), { state: 'answered', status: 201, body });
  // Its end is sent again by whoever did not hear that it was kept; the first answer stays.
  await one.endRequest({ ...asked, epoch: 1, status: 500, body: Buffer.from('other') });
  assert.deepEqual(await two.beginRequest(asked), { state: 'answered', status: 201, body });
});

test('a key that comes back with another content or operation is told so, at every stage', async () => {
  const asked = request('k2');
  const others = [request('k2', { fingerprint: 'another' }), request('k2', { operation: 'cards.thawCard' })];
  await one.beginRequest(asked);
  const isTold = async () => {
    for (const other of others) assert.deepEqual(await two.beginRequest(other), { state: 'other_content' });
  };
  await isTold();
  await pass('2 minutes');
  await isTold();
  const taken = await two.beginRequest(asked);
  assert.deepEqual(taken, { state: 'new', epoch: 2, isAgain: true });
  await two.endRequest({ ...asked, epoch: 2, status: 200, body });
  await isTold();
});

test('keys of two clients never meet, and texts cannot be shifted between fields', async () => {
  const mine = request('k3');
  assert.equal((await one.beginRequest(mine)).state, 'new');
  assert.equal((await one.beginRequest({ ...mine, clientId: 'quipu-staging-xxxxxxxxxxxxxx' })).state, 'new');
  assert.equal((await one.beginRequest({ ...mine, clientId: `${clientId}k`, key: '3' })).state, 'new');
  const shifted = { operation: 'cards.freezeCarda', fingerprint: ' digest of the body' };
  assert.equal((await one.beginRequest({ ...mine, ...shifted })).state, 'other_content');
});

test('what died is taken over when its lease is over, and can keep no answer when it wakes up', async () => {
  const asked = request('k4');
  await one.beginRequest(asked);
  await pass('59 seconds');
  assert.equal((await two.beginRequest(asked)).state, 'under_way');
  await pass('2 seconds');
  assert.deepEqual(await two.beginRequest(asked), { state: 'new', epoch: 2, isAgain: true });
  const late = { ...asked, epoch: 1, status: 200, body };
  await assert.rejects(one.endRequest(late), refusedAs('request_taken_over'));
  assert.deepEqual(await one.abandonRequest({ ...asked, epoch: 1 }), { isAbandoned: false });
  await two.endRequest({ ...asked, epoch: 2, status: 202, body });
  await assert.rejects(one.endRequest(late), refusedAs('request_taken_over'));
  assert.deepEqual(await one.beginRequest(asked), { state: 'answered', status: 202, body });
});

test('what is given up can be asked again, also with a better body, and its epoch never comes again', async () => {
  const asked = request('k5');
  await one.beginRequest(asked);
  assert.deepEqual(await one.abandonRequest({ ...asked, epoch: 1 }), { isAbandoned: true });
  assert.deepEqual(await one.abandonRequest({ ...asked, epoch: 1 }), { isAbandoned: true });
  const better = request('k5', { fingerprint: 'mended' });
  assert.deepEqual(await two.beginRequest(better), { state: 'new', epoch: 2, isAgain: false });
  assert.deepEqual(await one.beginRequest(asked), { state: 'other_content' });
  await two.endRequest({ ...better, epoch: 2, status: 200, body });
  assert.deepEqual(await two.abandonRequest({ ...better, epoch: 2 }), { isAbandoned: false });
  // Somebody died, somebody else gave it up: what the first did may still be there.
  const other = request('k6');
  await one.beginRequest(other);
  await pass('2 minutes');
  await two.beginRequest(other);
  await two.abandonRequest({ ...other, epoch: 2 });
  assert.deepEqual(await one.beginRequest(other), { state: 'new', epoch: 3, isAgain: true });
});

test('an answer of 64 KB is kept whole, of a larger one the status', async () => {
  for (const [key, length, isBodyKept] of [
    ['k7', BODY_BYTES_MAX, true],
    ['k8', BODY_BYTES_MAX + 1, false],
    ['k9', 0, true],
  ] as const) {
    const asked = request(key);
    await one.beginRequest(asked);
    const large = Buffer.alloc(length, 'x');
    assert.deepEqual(await one.endRequest({ ...asked, epoch: 1, status: 200, body: large }), { isBodyKept });
    assert.deepEqual(await two.beginRequest(asked), {
      state: 'answered',
      status: 200,
      body: isBodyKept ? large : null,
    });
  }
});

test('keys of a bad form are refused, and no request without a client’s lease can be ended', async () => {
  for (const key of ['', 'with space', 'ñ', 'x'.repeat(65), 'line\n'])
    await assert.rejects(
      one.beginRequest(request(key)),
      refusedAs('bad_idempotency_key'),
      JSON.stringify(key),
    );
  assert.equal((await one.beginRequest(request('x'.repeat(64)))).state, 'new');
  await assert.rejects(
    one.endRequest({ ...request('never-begun'), epoch: 1, status: 200, body }),
    refusedAs('request_taken_over'),
  );
});

test('the database learns neither keys, nor what was asked, nor answers', async () => {
  const number = '4509170000000009';
  const asked = request(number, { fingerprint: number });
  await one.beginRequest(asked);
  await one.endRequest({ ...asked, epoch: 1, status: 200, body: Buffer.from(number) });
  const [{ rows }] = await cell.admin.rows<{ rows: string }>`
    select string_agg(requests::text, '') as rows from access.requests`;
  for (const bytes of [Buffer.from(number).toString('hex'), Buffer.from(clientId).toString('hex'), number])
    assert.ok(!rows.includes(bytes));
  // An answer that is laid into another request's row does not open.
  const other = request('k10');
  await one.beginRequest(other);
  await one.endRequest({ ...other, epoch: 1, status: 200, body });
  await cell.admin.run`
    update access.requests set sealed_answer = (select sealed_answer from access.requests
                                                 where sealed_answer is not null order by begun_at limit 1)
     where sealed_answer is not null`;
  await assert.rejects(one.beginRequest(other));
});

test('requests are forgotten a day after they began, but not while somebody works on them', async () => {
  await cell.admin.run`delete from access.requests`;
  const keys = ['f1', 'f2', 'f3', 'f4'];
  for (const key of keys) {
    await one.beginRequest(request(key));
    if (key !== 'f4') await one.endRequest({ ...request(key), epoch: 1, status: 200, body });
  }
  assert.equal(await one.forgetRequests({ limit: 10 }), 0);
  await pass('24 hours');
  await one.beginRequest(request('f5'));
  await cell.admin.run`
    update access.requests set leased_until = clock_timestamp() + interval '1 minute' where status is null`;
  assert.equal(await one.forgetRequests({ limit: 2 }), 2);
  assert.equal(await two.forgetRequests({ limit: 10 }), 1);
  assert.equal(await one.forgetRequests({ limit: 10 }), 0);
  assert.equal((await one.beginRequest(request('f1'))).state, 'new');
  assert.equal((await one.beginRequest(request('f4'))).state, 'under_way');
});

test('the API may begin and end requests, and administer nothing', async () => {
  const api = one as unknown as Record<string, (input: unknown) => Promise<unknown>>;
  for (const name of ['addClient', 'listClients', 'revokeClient', 'renewSecret', 'findClient'])
    await assert.rejects(api[name]({}), refusedAs('caller_not_allowed'));
});

/** What each of several processes does with one key, in turns of all at once. */
const step = fc.constantFrom('begin', 'end', 'abandon', 'pass' as const);

test('of many who begin at once one is told it is new, whatever happened before', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(step, fc.integer({ min: 2, max: 6 })), { minLength: 1, maxLength: 8 }),
      async (steps) => {
        const asked = request(randomUUID());
        let held: number | null = null;
        let answered: string | null = null;
        let gaveUp = false;
        const epochs = new Set<number>();
        for (const [what, together] of steps) {
          if (what === 'pass') {
            await pass('61 seconds');
            continue;
          }
          if (what === 'end' && held !== null) {
            const answer = Buffer.from(randomUUID());
            const ended = one.endRequest({ ...asked, epoch: held, status: 200, body: answer });
            if (gaveUp) {
              await assert.rejects(ended, refusedAs('request_taken_over'));
              continue;
            }
            await ended;
            answered ??= answer.toString();
            continue;
          }
          if (what === 'abandon' && held !== null) {
            const { isAbandoned } = await two.abandonRequest({ ...asked, epoch: held });
            assert.equal(isAbandoned, answered === null);
            gaveUp = answered === null;
            continue;
          }
          const states = await Promise.all(
            Array.from({ length: together }, (_, i) => (i % 2 ? one : two).beginRequest(asked)),
          );
          const fresh = states.flatMap((state) => (state.state === 'new' ? [state.epoch] : []));
          assert.ok(fresh.length <= 1, 'one at most is told that it is new');
          if (epochs.size === 0) assert.equal(fresh.length, 1, 'one is');
          for (const epoch of fresh) {
            assert.ok(!epochs.has(epoch), 'an epoch comes once');
            assert.equal(answered, null, 'nothing that was answered begins again');
            epochs.add(epoch);
            held = epoch;
            gaveUp = false;
          }
          for (const state of states)
            if (state.state === 'answered') assert.equal(state.body?.toString(), answered);
            else assert.equal(answered, null);
        }
      },
    ),
    runs(60),
  ));
