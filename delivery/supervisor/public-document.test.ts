import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { openApi, problemsOf } from '#gateway/openapi.ts';
import { buildApi } from '#runtime/http/api-server.ts';
import { exampleOf } from '#runtime/http/example-of.ts';
import { openApi as hostsDocument } from '#services/authorisations/http/openapi.ts';
import { formats } from '#services/authorisations/http/formats.ts';
import { publicOperations } from '#services/public.ts';

type Json = Readonly<Record<string, unknown>>;

const documents = {
  'behind the gateway': openApi('quipu/staging', 'https://staging.quipu.localhost', publicOperations),
  'of hosts': hostsDocument(),
};

function* objectsIn(value: unknown, at = '#'): Generator<readonly [string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [at, value as Json];
  for (const [name, inside] of Object.entries(value))
    yield* objectsIn(inside, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

const METHODS = ['get', 'post', 'put', 'delete'];
const operationsOf = (document: object) =>
  Object.entries((document as { paths: Record<string, Record<string, Json>> }).paths).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, told]) => ({ path, method, told })),
  );

for (const [which, made] of Object.entries(documents))
  suite(`the document ${which}`, () => {
    const document = JSON.parse(JSON.stringify(made)) as Json;

    test('refers to nothing that is not in it, and holds nothing that is not referred to', () => {
      const places = new Map(objectsIn(document));
      const refs = new Set<string>();
      for (const [at, { $ref }] of places)
        if (typeof $ref === 'string') {
          assert.ok(places.has($ref), `${at} refers to ${$ref}`);
          refs.add($ref);
        }
      const { schemas = {} } = document['components'] as { schemas?: object };
      for (const name of Object.keys(schemas))
        assert.ok(refs.has(`#/components/schemas/${name}`), `nothing refers to ${name}`);
    });

    test('names each operation once, with every parameter of its path', () => {
      const ids = operationsOf(document).map(({ told }) => told['operationId']);
      assert.equal(new Set(ids).size, ids.length);
      for (const { path, method, told } of operationsOf(document)) {
        assert.ok(METHODS.includes(method));
        const parameters = (told['parameters'] ?? []) as { in: string; name: string; schema: object }[];
        assert.deepEqual(
          parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
          [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        );
        for (const { schema } of parameters) assert.equal(typeof schema, 'object');
        const places = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
        assert.equal(new Set(places).size, places.length);
      }
    });

    test('tells what each answer means, under a status that can be one', () => {
      for (const { told } of operationsOf(document))
        for (const [status, answer] of Object.entries(told['responses'] as Record<string, Json>)) {
          assert.match(status, /^(200|4\d\d|5\d\d)$/);
          assert.equal(typeof answer['description'], 'string');
        }
    });
  });

/** Whether a value passes a schema, by the validator that judges requests. */
async function passes(schema: object, value: unknown): Promise<string> {
  const app = buildApi({
    routes: [
      {
        http: { method: 'POST', path: '/x', scope: 'x', title: 'x', body: schema, reply: {} },
        answer: () => Promise.resolve({}),
      },
    ],
    admit: () => null,
    isReady: () => true,
    formats,
  });
  const { payload } = await app.inject({ method: 'POST', url: '/x', payload: value as object });
  await app.close();
  return payload;
}

test('the examples are what their schemas take, and none of them had to be made up', async () => {
  for (const { service, operation, http } of publicOperations) {
    const schemas = [http.params, http.query, http.body, http.reply].filter((schema) => schema !== undefined);
    for (const schema of schemas)
      for (const isWhole of [false, true]) {
        const example = exampleOf(schema, { isWhole });
        assert.equal(await passes(schema, example), '{}', `${service}.${operation}`);
        assert.doesNotMatch(JSON.stringify(example), /"text"/, `${service}.${operation}`);
      }
  }
});

test('an operation tells what it refuses itself, and only what its request can meet', () => {
  const codesOf = (name: string) =>
    Object.keys(problemsOf(publicOperations.find(({ operation }) => operation === name)!));
  assert.ok(codesOf('readCard').includes('unknown_card'));
  assert.ok(!codesOf('listCards').includes('unknown_card'));
  assert.ok(!codesOf('readCard').includes('not_json') && codesOf('setCardControls').includes('not_json'));
  assert.ok(codesOf('setCardControls').includes('key_of_other_content'));
  assert.ok(!codesOf('authorise').includes('key_of_other_content'));
  assert.ok(codesOf('authorise').includes('other_content'));
});
