import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '#runtime/refusal.ts';
import { runs } from '#tools/testing/seed.ts';
import { hostProblem, isWithin, parseDomain } from './host-name.ts';

test('a domain is a host name of at least two labels', () => {
  for (const domain of [
    'quipu.example',
    'quipu.localhost',
    'a.b.c.d.example',
    'xn--bcher-kva.example',
    '7.example',
  ])
    assert.equal(parseDomain(domain), domain);
});

const BAD: Record<string, RegExp> = {
  '': /is empty/,
  localhost: /single label/,
  'quipu.example.': /ends with a dot/,
  'quipu.example:8443': /has a port/,
  'https://quipu.example': /an address/,
  'quipu.example/path': /an address/,
  'user@quipu.example': /an address/,
  '*.quipu.example': /a wildcard/,
  'Quipu.example': /Write quipu\.example/,
  'bücher.example': /xn--bcher-kva\.example/,
  'quipu example.com': /beyond ASCII|no host name|characters/,
  '10.0.0.1': /IP address/,
  '[::1]': /IP address/,
  '::1': /IP address/,
  '10.1': /otherwise by browsers/,
  'quipu.0x7f': /otherwise by browsers/,
  'quipu..example': /no host name/,
  '-quipu.example': /no host name/,
  'quipu-.example': /no host name/,
  'quipu_1.example': /no host name/,
  'xn--a.example': /otherwise by browsers/,
  'card-4509170000000009.example': /card number/,
  [`${'a'.repeat(64)}.example`]: /no host name/,
  [`${'a.'.repeat(125)}example`]: /more than 242/,
  'quipu.example\n': /beyond ASCII/,
};

for (const [domain, says] of Object.entries(BAD))
  test(`${JSON.stringify(domain).slice(0, 60)} is refused as a domain`, () =>
    assert.throws(
      () => parseDomain(domain),
      (error) =>
        error instanceof Refusal &&
        error.code === 'bad_domain' &&
        says.test(`${error.message} ${error.advice}`) &&
        !error.message.includes('\n'),
    ));

test('a domain leaves room for the longest environment before it', () => {
  const label = 'a'.repeat(59);
  const domain = `${label}.${label}.${label}.${label}.aa`; // 242
  assert.equal(domain.length, 242);
  assert.equal(hostProblem(`production.${parseDomain(domain)}`), null);
});

test('what is taken for a host name is read as that same name by a browser', () => {
  const piece = fc.oneof(
    fc.constantFrom('.', '-', 'xn--', 'a', '1', '0x', ':', '/', 'ü', '*'),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = pieces.join('');
      if (hostProblem(text)) return;
      assert.equal(new URL(`https://${text}/`).hostname, text);
    }),
    runs(2_000),
  );
});

test('a host lies within a domain at its dots only', () => {
  assert.ok(isWithin('api.quipu.example', 'quipu.example'));
  assert.ok(isWithin('quipu.example', 'quipu.example'));
  assert.ok(!isWithin('notquipu.example', 'quipu.example'));
  assert.ok(!isWithin('quipu.example.com', 'quipu.example'));
});
