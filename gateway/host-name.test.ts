import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostNameOf } from './host-name.ts';

test('a host is known by its name, without its port, whatever its case', () => {
  assert.equal(hostNameOf('Staging.Quipu.Example:8443'), 'staging.quipu.example');
  assert.equal(hostNameOf('localhost'), 'localhost');
});

for (const bad of [
  '',
  '.',
  'a.',
  '.a',
  'a..b',
  '-a.b',
  'a_b.c',
  '127.0.0.1',
  '[::1]',
  'a:',
  'a:b',
  'a:123456',
  'a:1:2',
  'user@a',
  'a/b',
  'a b',
  'a,b',
  'é.example',
  `${'a'.repeat(64)}.example`,
  `${'a.'.repeat(127)}aa`,
])
  test(`${JSON.stringify(bad.slice(0, 30))} is no host`, () => assert.equal(hostNameOf(bad), null));
