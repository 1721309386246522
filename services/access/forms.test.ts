import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RoutedOperation } from '#declare/http.ts';
import { Refusal } from '#runtime/refusal.ts';
import { mayHoldCardNumber } from '#services/audit/card-number.ts';
import { runs } from '#tools/testing/seed.ts';
import { isClientId, newClientId } from './client-id.ts';
import { isClientSecret, newClientSecret } from './client-secret.ts';
import { checkScopes, knownScopes } from './scopes.ts';

/** What ids, secrets and scopes look like. */
const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => Buffer.from(each));

test('every secret has one form, is another for other bytes, and is whole', () =>
  fc.assert(
    fc.property(bytes, bytes, (random, other) => {
      const secret = newClientSecret(random);
      assert.match(secret, /^relevo_secret_[0-9A-Za-z]{49}$/);
      assert.ok(isClientSecret(secret));
      assert.equal(secret === newClientSecret(other), random.equals(other));
      assert.equal(encodeURIComponent(secret), secret);
    }),
    runs(300),
  ));

test('a letter that is wrong, missing, doubled or swapped with its neighbour is noticed', () =>
  fc.assert(
    fc.property(
      bytes,
      fc.integer({ min: 14, max: 61 }),
      fc.integer({ min: 1, max: 61 }),
      (random, at, shift) => {
        const secret = newClientSecret(random);
        const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
        const other = letters[(letters.indexOf(secret[at]) + shift) % 62];
        const swapped = secret.slice(0, at) + secret[at + 1] + secret[at] + secret.slice(at + 2);
        assert.ok(!isClientSecret(secret.slice(0, at) + other + secret.slice(at + 1)));
        assert.ok(!isClientSecret(secret.slice(0, at) + secret.slice(at + 1)));
        assert.ok(!isClientSecret(secret.slice(0, at) + secret[at] + secret.slice(at)));
        assert.equal(isClientSecret(swapped), swapped === secret);
      },
    ),
    runs(300),
  ));

test('the first and the last secret there can be have the form, too', () => {
  assert.match(newClientSecret(Buffer.alloc(32)), /^relevo_secret_0{43}[0-9A-Za-z]{6}$/);
  assert.ok(isClientSecret(newClientSecret(Buffer.alloc(32, 0xff))));
  for (const text of [
    '',
    'relevo_secret_',
    `${newClientSecret()} `,
    ` ${newClientSecret()}`,
    `${newClientSecret()}\n`,
  ])
    assert.ok(!isClientSecret(text));
});

test('an id tells its cell, is never met twice, and never looks like a card number', () => {
  const cell = { tenant: 'a4509170000000009', environment: 'staging' };
  const ids = Array.from({ length: 2_000 }, () => newClientId({ ...cell, tenant: 'quipu-2' }));
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) {
    assert.ok(isClientId(id) && id.startsWith('quipu-2-staging-'), id);
    assert.ok(!mayHoldCardNumber(id));
  }
  for (const text of [
    '',
    'quipu-staging-',
    `${ids[0]}x`,
    ids[0].toUpperCase(),
    `${ids[0]}\n`,
    'x'.repeat(10_000),
  ])
    assert.ok(!isClientId(text), text.slice(0, 80));
});

const routed = (scope: string): RoutedOperation => ({
  service: 'cards',
  operation: 'readCard',
  text: '',
  http: { method: 'GET', path: '/v1/x', scope, title: 'x', reply: {} },
  problems: {},
});

test('scopes are those of public routes, each once and in order', () => {
  const routes = ['cards:read', 'accounts:read', 'cards:read'].map((scope) => routed(scope));
  assert.deepEqual(knownScopes(routes), ['accounts:read', 'cards:read']);
  assert.deepEqual(knownScopes([]), []);
  assert.deepEqual(checkScopes(['cards:read', 'accounts:read', 'cards:read'], knownScopes(routes)), [
    'accounts:read',
    'cards:read',
  ]);
  assert.throws(
    () => checkScopes(['cards:read', 'x'.repeat(900)], knownScopes(routes)),
    (error) => error instanceof Refusal && error.code === 'unknown_scope' && error.message.length < 200,
  );
});
