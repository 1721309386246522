import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '#runtime/refusal.ts';
import { runs } from '#tools/testing/seed.ts';
import { ENVIRONMENTS, type Environment } from '../cells/cell-name.ts';
import { type CellState, NO_DIFFERENCES } from '../cells/cell-state.ts';
import { clash } from '../cells/claims.ts';
import type { DeclaredTenant } from './parse-platform.ts';
import {
  type ActualPlatform,
  type ActualTenant,
  makePlan,
  planChanges,
  type TenantStep,
} from './plan-changes.ts';

const WHOLE: CellState = { presence: 'whole', differences: NO_DIFFERENCES };

const terms = fc.record({
  limits: fc.record({
    clientRequestsPerSecond: fc.integer({ min: 1, max: 3 }),
    tenantRequestsPerSecond: fc.integer({ min: 1, max: 3 }),
  }),
  size: fc.record({ idleSeconds: fc.integer({ min: 0, max: 2 }), workers: fc.integer({ min: 1, max: 2 }) }),
});

/** A valid platform: no two tenants want one name. Few domains, so that they come to pass from one to another. */
const platform: fc.Arbitrary<DeclaredTenant[]> = fc
  .record({
    tenants: fc.subarray(['aa', 'bb', 'cc', 'dd']),
    domains: fc.shuffledSubarray(
      ['one.example', 'two.example', 'three.example', 'four.example', 'five.example'],
      { minLength: 4, maxLength: 4 },
    ),
    kinds: fc.array(fc.constantFrom('issuer', 'lender'), { minLength: 4, maxLength: 4 }),
    environments: fc.array(fc.subarray([...ENVIRONMENTS], { minLength: 1 }), { minLength: 4, maxLength: 4 }),
    terms: fc.array(terms, { minLength: 12, maxLength: 12 }),
  })
  .map(({ tenants, domains, kinds, environments, terms }) =>
    tenants.map((tenant, i) => ({
      tenant,
      kind: kinds[i] as 'issuer',
      domain: domains[i],
      environments: Object.fromEntries(
        environments[i].map((environment, j) => [
          environment,
          { host: `${environment}.${domains[i]}`, ...terms[i * 3 + j] },
        ]),
      ),
    })),
  );

const NOTHING: ActualPlatform = new Map();

/** What is here after a step: every environment of the target, whole. */
function done(actual: ActualPlatform, { tenant, target, made, mended }: TenantStep): ActualPlatform {
  const { making: _, ...file } = target;
  const before = actual.get(tenant)?.cells ?? {};
  const cells = Object.fromEntries([
    ...Object.entries(before),
    ...[...made, ...mended].map((each) => [each, WHOLE] as const),
  ]);
  return new Map([...actual, [tenant, { terms: file, hasFile: true, cells } satisfies ActualTenant]]);
}

/** Null where the steps cannot be put in an order. */
function planned(declared: DeclaredTenant[], actual: ActualPlatform) {
  try {
    return makePlan(declared, actual);
  } catch (error) {
    if (error instanceof Refusal && ['names_in_a_circle', 'domain_taken'].includes(error.code)) return null;
    throw error;
  }
}

const apply = (declared: DeclaredTenant[], actual: ActualPlatform): ActualPlatform | null =>
  planned(declared, actual)?.steps.reduce(done, actual) ?? null;

const toDo = (declared: DeclaredTenant[], actual: ActualPlatform) =>
  planChanges(declared, actual).filter(({ mark }) => mark !== '!');

test('what was applied is in no later plan, whatever was here before', () => {
  let applied = 0;
  fc.assert(
    fc.property(platform, platform, (first, second) => {
      const here = apply(first, NOTHING)!;
      assert.deepEqual(planChanges(first, here), []);
      const after = apply(second, here);
      if (!after) return;
      applied++;
      assert.deepEqual(toDo(second, after), []);
      assert.deepEqual(planned(second, after)?.steps, []);
    }),
    runs(500),
  );
  assert.ok(applied > 100, `${applied} of 500 could be ordered`);
});

test('wherever it is cut short, no two tenants have one name, and going on comes to the same', () => {
  fc.assert(
    fc.property(platform, platform, fc.nat(4), (first, second, cut) => {
      const here = apply(first, NOTHING)!;
      const plan = planned(second, here);
      if (!plan) return;
      let at = here;
      for (const step of plan.steps.slice(0, cut)) {
        at = done(at, step);
        const all = [...at.values()].map(({ terms }) => terms);
        for (const mine of all) for (const other of all) assert.equal(clash(mine, other), null);
      }
      assert.deepEqual(apply(second, at), plan.steps.reduce(done, here));
    }),
    runs(500),
  );
});

test('neither the order of tenants nor that of what is here matters', () => {
  fc.assert(
    fc.property(platform, platform, (first, second) => {
      const here = apply(first, NOTHING)!;
      assert.deepEqual(
        planChanges(second.toReversed(), new Map([...here].reverse())),
        planChanges(second, here),
      );
      assert.deepEqual(
        planned(second.toReversed(), new Map([...here].reverse()))?.steps,
        planned(second, here)?.steps,
      );
    }),
    runs(300),
  );
});

test('nothing that is here is ever removed', () => {
  fc.assert(
    fc.property(platform, platform, (first, second) => {
      const here = apply(first, NOTHING)!;
      const after = apply(second, here);
      if (!after) return;
      for (const [tenant, { cells }] of here)
        for (const environment of Object.keys(cells))
          assert.ok(after.get(tenant)!.cells[environment as Environment]);
    }),
    runs(300),
  );
});

const tenant = (
  name: string,
  domain: string,
  environments: readonly Environment[] = ['demo'],
): DeclaredTenant => ({
  tenant: name,
  kind: 'issuer',
  domain,
  environments: Object.fromEntries(
    environments.map((each) => [
      each,
      {
        host: `${each}.${domain}`,
        limits: { clientRequestsPerSecond: 1, tenantRequestsPerSecond: 1 },
        size: { idleSeconds: 1, workers: 1 },
      },
    ]),
  ),
});

test('a domain passes from one tenant to another in one plan: given up first', () => {
  const here = apply([tenant('aa', 'one.example'), tenant('bb', 'two.example')], NOTHING)!;
  const plan = makePlan([tenant('aa', 'two.example'), tenant('bb', 'three.example')], here);
  assert.deepEqual(
    plan.steps.map((step) => step.tenant),
    ['bb', 'aa'],
  );
});

test('two tenants cannot swap domains in one plan', () => {
  const here = apply([tenant('aa', 'one.example'), tenant('bb', 'two.example')], NOTHING)!;
  assert.throws(() => makePlan([tenant('aa', 'two.example'), tenant('bb', 'one.example')], here), {
    code: 'names_in_a_circle',
  });
});

test('the names of a tenant that is here and not declared stay its own', () => {
  const here = apply([tenant('aa', 'one.example')], NOTHING)!;
  assert.throws(() => makePlan([tenant('bb', 'one.example')], here), { code: 'domain_taken' });
  const kept = apply([tenant('aa', 'one.example', ['demo', 'staging'])], NOTHING)!;
  assert.throws(() => makePlan([tenant('aa', 'two.example', ['demo']), tenant('bb', 'one.example')], kept), {
    code: 'domain_taken',
  });
});

test('each difference is a line of its own', () => {
  const declared = [tenant('aa', 'one.example', ['demo', 'staging', 'production'])];
  const here = apply(declared, NOTHING)!.get('aa')!;
  const found: ActualPlatform = new Map([
    [
      'aa',
      {
        ...here,
        cells: {
          demo: { presence: 'half', differences: NO_DIFFERENCES },
          staging: { presence: 'foreign', differences: NO_DIFFERENCES },
          production: {
            presence: 'whole',
            differences: {
              ...NO_DIFFERENCES,
              rolesMissing: ['audit'],
              changesMissing: ['ledger/0009-x'],
              changesUnknown: ['ledger/0010-y'],
              rightsMissing: ['SELECT on table cards.cards for x'],
              rightsBeyond: ['SELECT on table cards.cards for y'],
            },
          },
        },
      },
    ],
  ]);
  assert.deepEqual(
    planChanges(declared, found).map(({ mark, kind, environment }) => `${mark} ${kind} ${environment}`),
    [
      '+ unfinished demo',
      '! foreign staging',
      '~ release production',
      '~ roles production',
      '~ rights production',
      '~ rights production',
      '! later_release production',
    ],
  );
  const undeclared = planChanges([], found);
  assert.ok(undeclared.every(({ mark, reason }) => mark === '!' && /tenant remove aa/.test(reason)));
});
