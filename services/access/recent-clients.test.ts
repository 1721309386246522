import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '#runtime/refusal.ts';
import { newClientId } from './client-id.ts';
import { RecentClients } from './recent-clients.ts';
import type { FoundClient } from './service.ts';

const newId = () => newClientId({ tenant: 'quipu', environment: 'staging' });

/** A store whose answers come when they are let go, and a clock that is moved by hand. */
function play(options = {}) {
  let ms = 0;
  const asked: {
    clientId: string;
    answer: (client: FoundClient | null) => void;
    fail: (error: Error) => void;
  }[] = [];
  const recent = new RecentClients(
    ({ clientId }) =>
      new Promise((resolve, reject) => asked.push({ clientId, answer: resolve, fail: reject })),
    { clock: () => ms, ...options },
  );
  return { recent, asked, pass: (by: number) => void (ms += by) };
}

const known = (clientId: string, isRevoked = false): FoundClient => ({
  clientId,
  scopes: ['cards:read'],
  isRevoked,
  secretCodes: [],
});

test('an answer is given for two seconds from when it was asked for, and then asked for again', async () => {
  const { recent, asked, pass } = play();
  const id = newId();
  const first = [recent.isRevoked(id), recent.isRevoked(id)];
  pass(1_500); // the database is slow
  asked[0].answer(known(id));
  assert.deepEqual(await Promise.all(first), [false, false]);
  pass(499);
  assert.equal(await recent.isRevoked(id), false);
  assert.equal(asked.length, 1);
  pass(1);
  const next = recent.isRevoked(id);
  asked[1].answer(known(id, true));
  assert.equal(await next, true);
});

test('whoever asks for a client as it is now gets no earlier answer, and others get the latest', async () => {
  const { recent, asked } = play();
  const id = newId();
  const before = recent.isRevoked(id);
  const now = recent.find(id, true);
  assert.equal(asked.length, 2);
  asked[1].answer(known(id, true));
  asked[0].answer(known(id));
  assert.deepEqual([(await now)?.isRevoked, await before, await recent.isRevoked(id)], [true, false, true]);
});

test('who is not here is revoked; who cannot be is not even looked for', async () => {
  const { recent, asked } = play();
  const unknown = recent.isRevoked(newId());
  asked[0].answer(null);
  assert.equal(await unknown, true);
  for (const id of ['', 'quipu-staging', "' or 1=1 --", 'x'.repeat(100_000)]) {
    assert.equal(await recent.isRevoked(id), true);
    assert.equal(await recent.find(id), null);
  }
  assert.equal(asked.length, 1);
});

test('a failure lets nobody in and is not kept', async () => {
  const { recent, asked } = play();
  const id = newId();
  const failing = recent.isRevoked(id);
  asked[0].fail(new Error('no connection'));
  await assert.rejects(failing, /no connection/);
  const again = recent.isRevoked(id);
  asked[1].answer(known(id));
  assert.equal(await again, false);
});

test('however many ids are made up, few are remembered and few are looked for at once', async () => {
  const { recent, asked } = play({ entriesMax: 3, askingMax: 2 });
  const waiting = [recent.find(newId()), recent.find(newId())];
  await assert.rejects(
    recent.find(newId()),
    (error) => error instanceof Refusal && error.code === 'access_busy',
  );
  for (const { answer } of asked) answer(null);
  await Promise.all(waiting);
  const ids = Array.from({ length: 4 }, newId);
  for (const id of ids) {
    const found = recent.find(id);
    asked.at(-1)!.answer(known(id));
    await found;
  }
  const before = asked.length;
  for (const id of ids.slice(1)) await recent.find(id);
  assert.equal(asked.length, before, 'the latest three are remembered');
  void recent.find(ids[0]);
  assert.equal(asked.length, before + 1);
});
