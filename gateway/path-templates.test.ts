import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { PathTemplates } from './path-templates.ts';

const templates = new PathTemplates<string>();
for (const [method, template] of [
  ['GET', '/v1/cards/:cardId'],
  ['PUT', '/v1/cards/:cardId'],
  ['GET', '/v1/cards/search'],
  ['GET', '/v1/cards/:cardId/holds/:holdId'],
  ['GET', '/v1/cards/search/deep'],
  ['GET', '/docs'],
])
  templates.add(method, template, `${method} ${template}`);

const found = (path: string, method = 'GET') => templates.find(path)?.byMethod.get(method) ?? null;

suite('a path', () => {
  test('is found under its template', () => {
    assert.equal(found('/v1/cards/abc'), 'GET /v1/cards/:cardId');
    assert.equal(found('/v1/cards/abc', 'PUT'), 'PUT /v1/cards/:cardId');
    assert.equal(found('/v1/cards/a%20b'), 'GET /v1/cards/:cardId');
    assert.equal(found('/v1/cards/%C3%A9'), 'GET /v1/cards/:cardId');
    assert.equal(found('/v1/cards/a/holds/b'), 'GET /v1/cards/:cardId/holds/:holdId');
  });

  test('is a literal before it is a parameter, and a parameter where the literal leads nowhere', () => {
    assert.equal(found('/v1/cards/search'), 'GET /v1/cards/search');
    assert.equal(found('/v1/cards/search/holds/b'), 'GET /v1/cards/:cardId/holds/:holdId');
    assert.equal(found('/v1/cards/search/deep'), 'GET /v1/cards/search/deep');
  });

  for (const path of [
    '',
    '/',
    'v1/cards/abc',
    '/v1/cards',
    '/v1/cards/',
    '/v1/cards/abc/',
    '/v1//cards/abc',
    '//v1/cards/abc',
    '/v1/cards/abc/holds',
    '/V1/cards/abc',
    '/v1/%63ards/abc',
    '/v1/cards/.',
    '/v1/cards/..',
    '/v1/cards/%2e%2e',
    '/v1/cards/%2E',
    '/v1/cards/a%2Fb',
    '/v1/cards/a%2fb',
    '/v1/cards/a%5Cb',
    '/v1/cards/a\\b',
    '/v1/cards/a%00b',
    '/v1/cards/a%0d%0ab',
    '/v1/cards/%',
    '/v1/cards/%zz',
    '/v1/cards/%ff',
    '/v1/cards/%c0%af',
    '/v1/cards/a b',
    '/v1/cards/a?b',
    '/v1/cards/a#b',
    '/v1/cards/é',
    '/v1/./cards/abc',
    '/v1/x/../cards/abc',
    '/docs/',
    '/docs/../docs',
    '/__proto__',
    `/v1/cards/${'x'.repeat(257)}`,
  ])
    test(`${JSON.stringify(path.slice(0, 40))} is not declared`, () =>
      assert.equal(templates.find(path), null));

  test('is taken once for each method, whatever its parameters are called', () => {
    const taken = new PathTemplates<number>();
    assert.ok(taken.add('GET', '/a/:x', 1));
    assert.ok(taken.add('PUT', '/a/:y', 2));
    assert.ok(!taken.add('GET', '/a/:z', 3));
  });

  test('that is found has exactly the segments of its template', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('v1', 'cards', 'search', 'holds', 'a', '', '.', '..', '%2e', '%2F', 'é', 'docs'),
        ),
        (segments) => {
          const path = `/${segments.join('/')}`;
          const template = found(path);
          if (template === null) return;
          const declared = template.split(' ')[1].split('/').slice(1);
          assert.equal(declared.length, segments.length);
          declared.forEach((segment, at) =>
            segment.startsWith(':')
              ? assert.match(segments[at], /^[a-z0-9]+$/)
              : assert.equal(segments[at], segment),
          );
        },
      ),
      { numRuns: 2_000 },
    ));
});
