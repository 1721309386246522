import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { ENVIRONMENTS } from '../cells/cell-name.ts';
import { defaultTenant } from '../cells/tenant-file.ts';
import { declareHere } from './declare-here.ts';
import { type DeclaredTenant, parsePlatform } from './parse-platform.ts';

/** The library draws objects without a prototype, too, which a file never gives. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true });

const bare = ({ tenant, kind, domain, environments }: DeclaredTenant): DeclaredTenant => ({
  tenant,
  kind,
  domain,
  environments,
});

test('a tenant by default says no more than its kind', () => {
  const here = [
    defaultTenant('andina', ENVIRONMENTS),
    defaultTenant('quipu', ['demo'], { kind: 'lender', domain: 'quipu.example' }),
  ];
  assert.equal(
    declareHere(here).replaceAll(/^#.*\n/gm, ''),
    `
tenants:
  andina:
    kind: issuer
  quipu:
    kind: lender
    domain: quipu.example
    environments:
      demo: {}
`,
  );
});

test('what is here is declared so that reading it gives the same again', async () => {
  const example = parsePlatform(
    await readFile(new URL('../../docs/examples/platform.yaml', import.meta.url), 'utf8'),
  );
  assert.deepEqual(parsePlatform(declareHere(example)), example);
  const few = fc.integer({ min: 1, max: 3 }).map((factor) => factor * 100);
  const terms = (domain: string, environment: string) =>
    plain({
      host: fc.constantFrom(`${environment}.${domain}`, `${environment}-api.${domain}`),
      limits: plain({
        clientRequestsPerSecond: few,
        tenantRequestsPerSecond: few.map((each) => each * 5),
      }),
      size: plain({ idleSeconds: few, workers: fc.integer({ min: 1, max: 3 }) }),
    });
  const tenant = fc
    .record({
      tenant: fc.constantFrom('andina', 'quipu', 'true', 'no', 'e1'),
      domain: fc.constantFrom('.localhost', '.example'),
      kind: fc.constantFrom('issuer' as const, 'lender' as const),
      environments: fc.subarray([...ENVIRONMENTS], { minLength: 1 }),
    })
    .chain(({ tenant: name, domain, kind, environments }) =>
      fc
        .record(Object.fromEntries(environments.map((each) => [each, terms(name + domain, each)])), {
          noNullPrototype: true,
        })
        .map((said): DeclaredTenant => ({ tenant: name, kind, domain: name + domain, environments: said })),
    );
  fc.assert(
    fc.property(fc.uniqueArray(tenant, { selector: (each) => each.tenant, maxLength: 5 }), (here) => {
      const sorted = [...here].sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
      assert.deepEqual(parsePlatform(declareHere(here)).map(bare), sorted);
    }),
  );
});
