import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { databaseName, type Environment, roleName } from '#delivery/cells/cell-name.ts';
import { onDatabase } from '#delivery/cells/on-database.ts';
import { readTenantFile, tenantFilePath } from '#delivery/cells/tenant-file.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { APPLY_CRASH_POINTS } from '#runtime/crash-point.ts';
import { newUser, type User } from '#tools/testing/cli.ts';
import { testServer } from '#tools/testing/server.ts';

/** platform.yaml against what runs: declared, planned, applied, by command. */
const { server } = await testServer();

interface Change {
  mark: string;
  kind: string;
  of: string;
  before?: string;
  after?: string;
  reason: string;
}

interface PlanDocument {
  changes: Change[];
  unchanged: number;
}

/** A user whose tenants are gone at the end of the test. */
async function newOwner(t: TestContext, ...suffixes: string[]): Promise<User & { tenants: string[] }> {
  const user = await newUser();
  const tenants = suffixes.map((suffix) => `${user.tenant}${suffix}`);
  t.after(async () => {
    for (const tenant of tenants) await removeTenant(server, user.home, tenant, join(user.home, 'nothing'));
  });
  return { ...user, tenants };
}

async function declare(user: User, text: string): Promise<string> {
  const path = join(user.home, 'platform.yaml');
  await writeFile(path, text);
  return `--file ${path}`;
}

const brief = ({ changes }: PlanDocument) => changes.map(({ mark, kind, of }) => `${mark} ${kind} ${of}`);

const trail = async (user: User, cell: string) =>
  (
    await user.json<{ entries: { action: string; details: Record<string, unknown> }[] }>(
      `audit list --cell ${cell}`,
    )
  ).entries;

const asAdmin = (tenant: string, environment: Environment, statements: string) =>
  onDatabase(server.adminUrl, databaseName({ tenant, environment }), (client) => client.query(statements));

test('the example is planned, applied, and then there is nothing to change', async (t) => {
  const user = await newOwner(t, 'a', 'b');
  const [andina, quipu] = user.tenants;
  const example = await readFile(new URL('../docs/examples/platform.yaml', import.meta.url), 'utf8');
  const file = await declare(user, example.replaceAll('andina', andina).replaceAll('quipu', quipu));
  const plan = await user.json<PlanDocument>(`plan ${file}`, 4);
  assert.deepEqual(
    brief(plan),
    [andina, quipu].flatMap((tenant) => [
      `+ tenant ${tenant}`,
      ...['demo', 'staging', 'production'].map((environment) => `+ cell ${tenant}/${environment}`),
    ]),
  );
  const refused = await user.json<{ error: { code: string } }>(`apply ${file}`, 2);
  assert.equal(refused.error.code, 'not_confirmed');
  assert.deepEqual(await user.json(`tenant list`), { tenants: [] });
  await user.json(`apply ${file} --yes`);
  const after = await user.json<PlanDocument>(`plan ${file}`);
  assert.deepEqual([after.changes, after.unchanged], [[], 6]);
  const again = await user.json<{ applied: unknown[] }>(`apply ${file} --yes`);
  assert.deepEqual(again.applied, []);
  const shown = await user.json<{ kind: string; cells: Record<string, unknown>[] }>(`tenant show ${quipu}`);
  assert.equal(shown.kind, 'lender');
  const production = shown.cells[2];
  assert.equal(production['host'], `api.${quipu}.example`);
  assert.deepEqual(production['limits'], { clientRequestsPerSecond: 500, tenantRequestsPerSecond: 2000 });
  assert.equal(production['as_declared'], true);
  assert.ok(Number(production['database_bytes']) > 1_000_000);
});

test('what changes is told with before and after, also to the cell; what is not declared stays', async (t) => {
  const user = await newOwner(t, 'a', 'b');
  const [one, two] = user.tenants;
  const before = `tenants: { ${one}: { domain: ${one}.example, environments: { demo: {}, staging: {} } }, ${two}: { environments: { demo: {} } } }`;
  await user.json(`apply ${await declare(user, before)} --yes`);
  const after = `tenants: { ${one}: { kind: lender, domain: ${one}.test, environments: { demo: { limits: { client_requests_per_second: 5 }, size: { workers: 3 } } } } }`;
  const file = await declare(user, after);
  const plan = await user.json<PlanDocument>(`plan ${file}`, 4);
  assert.deepEqual(brief(plan), [
    `~ kind ${one}`,
    `~ domain ${one}`,
    `~ host ${one}/demo`,
    `~ limits ${one}/demo`,
    `~ size ${one}/demo`,
    `! undeclared ${one}/staging`,
    `! undeclared ${two}/demo`,
  ]);
  assert.match(plan.changes.at(-1)!.reason, new RegExp(`tenant remove ${two}`));
  await user.json(`apply ${file} --yes`, 0, { RELEVO_OPERATOR: 'ana.quispe' });
  assert.deepEqual(brief(await user.json<PlanDocument>(`plan ${file}`)), [
    `! undeclared ${one}/staging`,
    `! undeclared ${two}/demo`,
  ]);
  const entries = await trail(user, `${one}/demo`);
  assert.deepEqual(entries.find(({ action }) => action === 'cell.terms_changed')!.details, {
    kind_before: 'issuer',
    kind_after: 'lender',
    domain_before: `${one}.example`,
    domain_after: `${one}.test`,
    host_before: `demo.${one}.example`,
    host_after: `demo.${one}.test`,
    client_requests_per_second_before: 200,
    client_requests_per_second_after: 5,
    workers_before: 2,
    workers_after: 3,
  });
  // The undeclared cell keeps its host, and hears of what changed of its tenant.
  const staging = (await readTenantFile(user.home, one))!.environments.staging!;
  assert.equal(staging.host, `staging.${one}.example`);
  const told = (await trail(user, `${one}/staging`)).filter(({ action }) => action === 'cell.terms_changed');
  assert.equal(told.length, 1);
  await user.json(`audit verify --cell ${one}/demo`);
});

test('what differs in what runs is found without changing it, and put right by apply', async (t) => {
  const user = await newOwner(t, 'a');
  const [tenant] = user.tenants;
  const file = await declare(user, `tenants: { ${tenant}: { environments: { demo: {}, staging: {} } } }`);
  await user.json(`apply ${file} --yes`);
  const name = { tenant, environment: 'demo' } as const;
  const role = (each: string) => `"${roleName(name, each)}"`;
  await asAdmin(
    tenant,
    'demo',
    `grant select on cards.cards to ${role('reporting')};
     grant update (card_id) on cards.cards to ${role('ledger')};
     grant usage on schema cards to public;
     grant create on schema public to ${role('cards')};
     grant temporary on database "${databaseName(name)}" to public;
     grant ${role('cards')} to ${role('reporting')};
     revoke insert on ledger.transfers from ${role('ledger')};
     alter role ${role('cardholders')} createdb;
     delete from cell.data_keys where purpose = 'ids'`,
  );
  await asAdmin(
    tenant,
    'staging',
    `drop owned by "${roleName({ tenant, environment: 'staging' }, 'reporting')}";
     drop role "${roleName({ tenant, environment: 'staging' }, 'reporting')}"`,
  );
  const plan = await user.json<PlanDocument>(`plan ${file}`, 4);
  const told = plan.changes.map(({ of, reason }) => `${of} ${reason}`).join('\n');
  for (const says of [
    /demo .*data keys missing: ids/,
    /demo .*cardholders may make databases/,
    /demo .*given, and not declared.*membership in/,
    /demo .*declared, and not given: INSERT on table ledger\.transfers/,
    /demo .*given, and not declared: .* and \d more/,
    /staging .*roles missing: reporting/,
  ])
    assert.match(told, says);
  assert.deepEqual(await user.json<PlanDocument>(`plan ${file}`, 4), plan, 'a plan changes nothing');
  await user.json(`apply ${file} --yes`);
  assert.deepEqual((await user.json<PlanDocument>(`plan ${file}`)).changes, []);
  const upgraded = (await trail(user, `${tenant}/demo`)).filter(({ action }) => action === 'cell.upgraded');
  assert.equal(upgraded.length, 1);
  assert.ok(Number(upgraded[0].details['rights_taken_away']) >= 5);
});

test('a cell of an earlier release is brought to this one; a later one is left alone', async (t) => {
  const user = await newOwner(t, 'a');
  const [tenant] = user.tenants;
  const file = await declare(user, `tenants: { ${tenant}: { environments: { demo: {}, staging: {} } } }`);
  await user.json(`apply ${file} --yes`);
  await rm(tenantFilePath(user.home, tenant));
  await asAdmin(
    tenant,
    'demo',
    `drop schema audit cascade; delete from cell.schema_changes where schema = 'audit'`,
  );
  await asAdmin(
    tenant,
    'staging',
    `insert into cell.schema_changes values ('ledger', '0999-tomorrow');
     grant select on cards.cards to "${roleName({ tenant, environment: 'staging' }, 'ledger')}"`,
  );
  const plan = await user.json<PlanDocument>(`plan ${file}`, 4);
  assert.deepEqual(brief(plan), [
    `+ file ${tenant}`,
    `~ release ${tenant}/demo`,
    `! later_release ${tenant}/staging`,
  ]);
  await user.json(`apply ${file} --yes`);
  assert.deepEqual(brief(await user.json<PlanDocument>(`plan ${file}`)), [
    `! later_release ${tenant}/staging`,
  ]);
  assert.deepEqual(
    (await trail(user, `${tenant}/demo`)).map(({ action }) => action),
    ['cell.upgraded'],
  );
});

test('wherever apply is killed, running it again goes on, and each change is told once', async (t) => {
  const user = await newOwner(t, 'a', 'b');
  const [one, two] = user.tenants;
  const declared = (workers: number) =>
    `tenants: { ${one}: { environments: { demo: { size: { workers: ${workers} } } } }, ${two}: { environments: { demo: { size: { workers: ${workers} } } } } }`;
  await user.json(`apply ${await declare(user, declared(1))} --yes`);
  for (const [i, place] of APPLY_CRASH_POINTS.entries()) {
    const file = await declare(user, declared(i + 2));
    const killed = await user.relevo(`apply ${file} --yes`, { RELEVO_CRASH_AT: place });
    assert.equal(killed.status, null, place);
    await user.json(`apply ${file} --yes`);
    assert.deepEqual((await user.json<PlanDocument>(`plan ${file}`)).changes, [], place);
    for (const tenant of [one, two]) {
      const changes = (await trail(user, `${tenant}/demo`)).filter(
        ({ action }) => action === 'cell.terms_changed',
      );
      assert.equal(changes.length, i + 1, `${place}: ${tenant}`);
    }
  }
});

test('of two at once one applies, and the other is told that its plan is old', async (t) => {
  const user = await newOwner(t, 'a');
  const file = await declare(user, `tenants: { ${user.tenants[0]}: {} }`);
  const ended = await Promise.all([1, 2].map(() => user.relevo(`apply ${file} --yes --json`)));
  // The second may also have come late enough to find nothing to change.
  const codes = ended.map(({ status, stdout }) => (status === 0 ? 'done' : JSON.parse(stdout).error.code));
  assert.ok(
    codes.includes('done') && codes.every((code) => ['done', 'plan_changed'].includes(code)),
    codes.join(),
  );
  assert.deepEqual((await user.json<PlanDocument>(`plan ${file}`)).changes, []);
});

test('a file with mistakes, and one that is not there, end with 2 before a server is asked', async () => {
  const user = await newUser();
  const nowhere = { RELEVO_DATABASE_URL: 'postgresql://nobody@localhost:1/postgres' };
  for (const command of ['plan', 'apply --yes']) {
    const file = await declare(user, 'tenants: { quipu: { kid: lender }, Inti: {} }');
    const { error } = await user.json<{ error: { code: string; message: string } }>(
      `${command} ${file}`,
      2,
      nowhere,
    );
    assert.equal(error.code, 'bad_platform_file');
    assert.match(error.message, /2 problems/);
    const missing = await user.json<{ error: { code: string } }>(
      `${command} --file ${user.home}/none.yaml`,
      2,
      nowhere,
    );
    assert.equal(missing.error.code, 'no_platform_file');
  }
});

test('the schema of the file is one JSON document, with texts', async () => {
  const { stdout, status } = await (await newUser()).relevo('plan --schema');
  assert.equal(status, 0);
  const schema = JSON.parse(stdout);
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.match(schema.properties.tenants.description, /by name/);
});

test('tenant add says what was wrong with a domain, and tenant show knows who is not here', async (t) => {
  const user = await newOwner(t, 'a');
  const [tenant] = user.tenants;
  for (const [words, code] of [
    [`tenant add ${tenant} --domain 10.0.0.1`, 'bad_domain'],
    [`tenant show ${tenant}`, 'unknown_tenant'],
  ]) {
    const { error } = await user.json<{ error: { code: string } }>(words, 2);
    assert.equal(error.code, code);
  }
  const usage = await user.relevo(`tenant add ${tenant} --environments demo,prod`);
  assert.equal(usage.status, 2);
  await user.json(`tenant add ${tenant} --environments demo`);
  const { tenants } = await user.json<{ tenants: { tenant: string; half_added: string[]; since: string }[] }>(
    'tenant list',
  );
  assert.deepEqual(
    tenants.map((each) => [each.tenant, each.half_added]),
    [[tenant, []]],
  );
  assert.ok(Date.parse(tenants[0].since) > 0);
});
