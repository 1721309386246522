import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { Refusal } from '#runtime/refusal.ts';
import { runs } from '#tools/testing/seed.ts';
import { parsePlatform } from './parse-platform.ts';

/** The lines of a refusal, without its head. */
function problems(text: string): string[] {
  try {
    parsePlatform(text);
  } catch (error) {
    assert.ok(error instanceof Refusal, String((error as Error).stack));
    assert.equal(error.code, 'bad_platform_file');
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

test('what is said nearest holds: environment, tenant, defaults, the platform', () => {
  const [andina, quipu] = parsePlatform(`
defaults: { size: { workers: 3 }, limits: { client_requests_per_second: 7 } }
tenants:
  quipu:
    kind: lender
    domain: quipu.example
    limits: { client_requests_per_second: 8, tenant_requests_per_second: 9 }
    environments:
      demo: {}
      production: { host: api.quipu.example, limits: { tenant_requests_per_second: 10 } }
  andina: {}
`);
  assert.equal(andina.kind, 'issuer');
  assert.deepEqual(Object.keys(andina.environments), ['demo', 'staging', 'production']);
  assert.deepEqual(andina.environments.staging, {
    host: 'staging.andina.localhost',
    limits: { clientRequestsPerSecond: 7, tenantRequestsPerSecond: 1_000 },
    size: { idleSeconds: 300, workers: 3 },
  });
  assert.deepEqual(Object.keys(quipu.environments), ['demo', 'production']);
  assert.deepEqual(quipu.environments.demo!.limits, {
    clientRequestsPerSecond: 8,
    tenantRequestsPerSecond: 9,
  });
  assert.deepEqual(quipu.environments.production, {
    host: 'api.quipu.example',
    limits: { clientRequestsPerSecond: 8, tenantRequestsPerSecond: 10 },
    size: { idleSeconds: 300, workers: 3 },
  });
});

test('all that is wrong is told at once, each with its line and what to do', () => {
  assert.deepEqual(
    problems(`tenant: {}
tenants:
  Quipu: {}
  andina:
    kind: bank
    domein: andina.example
    environments:
      demo: { host: "https://x.example" }
      prod: {}
      staging:
        limits: { client_requests_per_second: 0, tenant_requests_per_second: lots }
        size: [1]
      production:
  inti:
    domain: "*.inti.example"
`),
    [
      'line 1, column 1: the file has an unknown key "tenant"; did you mean tenants?',
      'line 3, column 3: "Quipu" cannot name a tenant. Use 2 to 24 of a-z, 0-9 and "-", beginning with a letter and not ending with "-".',
      'line 5, column 5: tenants.andina.kind is "bank"; it must be issuer or lender',
      'line 6, column 5: tenants.andina has an unknown key "domein"; did you mean domain?',
      'line 8, column 15: the host "https://x.example" is an address and no host name. Write the name alone, for instance quipu.example.',
      'line 9, column 7: tenants.andina.environments has an unknown key "prod"; it may have demo, staging, production',
      'line 11, column 19: tenants.andina.environments.staging.limits.client_requests_per_second is "0"; it must be a whole number from 1 to 100000',
      'line 11, column 50: tenants.andina.environments.staging.limits.tenant_requests_per_second is "lots"; it must be a whole number from 1 to 1000000',
      'line 12, column 9: tenants.andina.environments.staging.size is a list; it must be a mapping',
      'line 13, column 7: tenants.andina.environments.production is empty; it must be a mapping; write {} to take everything by default',
      'line 15, column 5: the domain "*.inti.example" is a wildcard. Write the domain alone: each environment gets a host below it.',
    ],
  );
});

const CASES: Record<string, [string, RegExp]> = {
  'an empty file': ['', /declares nothing/],
  'no tenants': ['defaults: {}', /does not say tenants/],
  'a list': ['- quipu', /the file is a list/],
  'a tenant twice': [
    'tenants:\n  quipu: {}\n  quipu: {}\n',
    /line 3, column 3: "quipu" is here twice; the first is at line 2/,
  ],
  'no environment': ['tenants: { quipu: { environments: {} } }', /one or more of demo/],
  'a domain of two tenants': [
    'tenants:\n  aa: {domain: x.example}\n  bb: {domain: x.example}',
    /line 3.*belongs to tenant aa \(line 2\)/,
  ],
  'a host within another domain': [
    'tenants:\n  aa: {domain: x.example}\n  bb: {environments: {demo: {host: y.x.example}}}',
    /y\.x\.example lies within/,
  ],
  'a host twice in a tenant': [
    'tenants: {aa: {environments: {demo: {host: h.example}, staging: {host: h.example}}}}',
    /Give it another one/,
  ],
  'a tab': ['tenants:\n\tquipu: {}', /line 2, column 1: cannot be read as YAML: Tabs/],
  'two documents': ['tenants: {}\n---\ntenants: {}', /multiple documents/],
  'a tag': ['tenants: {quipu: {domain: !!binary aGk=}}', /its tag .*binary is not taken/],
  'a tag of its own': ['tenants: {quipu: {domain: !host quipu.example}}', /Unresolved tag/],
  'a merge key': ['x: &x {}\ntenants: {quipu: {<<: *x}}', /merge key/],
  'an alias to nothing': ['tenants: {quipu: *nobody}', /names nothing/],
  'an alias to itself': ['tenants: &a {quipu: *a}', /nested more than/],
  'a billion laughs': [
    `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
      .split('')
      .map((name, i) => `${name}: &${name} [${`*${'abcdefg'[i]},`.repeat(10)}]`)
      .join('\n')}\ntenants: {}`,
    /more than 50000 values/,
  ],
  'brackets without an end': ['['.repeat(100_000), /YAML/],
  'a key that is a list': ['? [a]\n: b\ntenants: {}', /plain word/],
  prototype: ['tenants: {}\n__proto__: {tenants: {}}', /unknown key "__proto__"/],
};

for (const [name, [text, says]] of Object.entries(CASES))
  test(`${name} is refused with its place`, () => {
    const told = problems(text);
    assert.ok(told.length > 0);
    assert.match(told.join('\n'), says);
    for (const line of told) assert.match(line, /^(line \d+, column \d+: |and \d+ more)/);
  });

test('an anchor may be used again, and tenants may be named like members of every object', () => {
  const tenants = parsePlatform('tenants:\n  constructor: &usual {kind: lender}\n  quipu: *usual\n');
  assert.deepEqual(
    tenants.map(({ tenant, kind }) => [tenant, kind]),
    [
      ['constructor', 'lender'],
      ['quipu', 'lender'],
    ],
  );
});

test('a file that is too large is not read', () =>
  assert.throws(() => parsePlatform(' '.repeat(600_000)), { code: 'no_platform_file' }));

test('hundreds of keys twice, and a thousand problems, are told in bearable time', () => {
  const since = performance.now();
  assert.equal(problems(`tenants: {}\n${'a: 1\n'.repeat(5_000)}`).length, 51);
  assert.equal(
    problems(`tenants:\n${Array.from({ length: 1_000 }, (_, i) => `  T${i}: {x: 1}`).join('\n')}`).length,
    51,
  );
  assert.ok(performance.now() - since < 20_000);
});

test('the order of tenants in the file does not matter', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{2,6}$/), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(names, fc.infiniteStream(fc.nat()), (tenants, order) => {
      const shuffled = tenants
        .map((name) => ({ name, at: order.next().value as number }))
        .sort((a, b) => a.at - b.at);
      const file = (list: string[]) =>
        stringify({ tenants: Object.fromEntries(list.map((name) => [name, {}])) });
      assert.deepEqual(parsePlatform(file(shuffled.map(({ name }) => name))), parsePlatform(file(tenants)));
    }),
    runs(100),
  );
});

const WORDS = [
  'tenants:',
  'defaults:',
  '  quipu:',
  ' kind: lender',
  'domain: ',
  'environments:',
  '{',
  '}',
  '[',
  ']',
  '&a ',
  '*a',
  '!!binary ',
  '!x ',
  '? ',
  ': ',
  '- ',
  '\n',
  '\n  ',
  '\t',
  '"',
  "'",
  '|\n',
  '>\n',
  '#',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '<<: ',
  '__proto__: ',
  '\u0000',
  '\uFEFF',
  '\u{1F600}',
  '0x10',
  '1e999',
  '.nan',
  '~',
  'null',
  'demo: {}',
  'size: {workers: 1}',
  ', ',
];

test('whatever text comes, it is taken or refused, and nothing else is thrown', () => {
  const text = fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'binary', maxLength: 4 })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(text, (pieces) => {
      problems(pieces.join(''));
    }),
    runs(3_000),
  );
});

test('whatever value comes, it is taken or refused, and nothing else is thrown', () => {
  const key = fc.constantFrom(
    'tenants',
    'defaults',
    'quipu',
    'kind',
    'domain',
    'environments',
    'demo',
    'host',
    'limits',
    'size',
    'workers',
    '__proto__',
    'x',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, true, 1, 0.5, 'lender', 'x.example', '', 'a.b'),
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, (each) => {
      problems(stringify(each));
      problems(stringify({ tenants: { quipu: each } }));
    }),
    runs(1_000),
  );
});

test('the example is a valid file', async () => {
  const text = await readFile(new URL('../../docs/examples/platform.yaml', import.meta.url), 'utf8');
  assert.deepEqual(
    parsePlatform(text).map(({ tenant }) => tenant),
    ['andina', 'quipu'],
  );
});
