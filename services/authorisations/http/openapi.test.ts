import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MEDIA_TYPE } from '#runtime/http/problems.ts';
import { withCheckDigit } from '#tools/testing/pans.ts';
import { messageRoutes } from '../public.ts';
import { openApi } from './openapi.ts';
import { problems } from './problems.ts';
import { FakeHost } from './testing/server.ts';

type Json = Readonly<Record<string, unknown>>;

const endpoints = messageRoutes.map(({ http: { path, body } }) => ({ path, schema: body as Json }));

/** Every object in a document, with its place. */
function* objectsIn(value: unknown, at = ''): Generator<readonly [string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [at, value as Json];
  for (const [name, inside] of Object.entries(value)) yield* objectsIn(inside, `${at}/${name}`);
}

test('anybody can read the document, and its references lead somewhere', async () => {
  const told = await new FakeHost().send('GET', '/openapi.json', undefined, { authorization: '' });
  assert.deepEqual(told.body, JSON.parse(JSON.stringify(openApi())));
  assert.equal(told.body['openapi'], '3.1.0');
  const places = new Map(objectsIn(told.body));
  for (const [at, { $ref }] of places)
    if (typeof $ref === 'string') assert.ok(places.has($ref.slice(1)), `${at} refers to ${$ref}`);
});

test('every field of a request says what it is and what it must be, with an example that fits', () => {
  for (const { path, schema } of endpoints)
    for (const [at, { type, properties, pattern, description, examples, ...rest }] of objectsIn(schema)) {
      if (type === undefined || at.endsWith('/properties')) continue;
      assert.equal(typeof rest['x-must'], 'string', path + at);
      if (properties === undefined) assert.equal(typeof description, 'string', path + at);
      else assert.equal(rest['additionalProperties'], false, path + at);
      for (const example of (examples as string[] | undefined) ?? [])
        assert.match(example, new RegExp(String(pattern), 'u'), path + at);
    }
});

test('the card number of the examples is a well-formed one', () => {
  const [{ schema }] = endpoints;
  const { card_number } = schema['properties'] as Record<string, { examples: string[] }>;
  for (const example of card_number.examples) assert.equal(withCheckDigit(example.slice(0, -1)), example);
});

test('every operation names the problems that it can answer', () => {
  const { paths } = openApi() as { paths: Record<string, { post?: { responses: Json } }> };
  for (const { path } of endpoints) {
    const { responses } = paths[path].post!;
    for (const code of ['invalid_request', 'unauthorised', 'other_content', 'failed'] as const) {
      const answer = responses[problems[code].status] as { description: string; content: Json };
      assert.ok(answer.description.includes(code));
      assert.ok(MEDIA_TYPE in answer.content);
    }
  }
});
