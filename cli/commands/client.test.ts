import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { enterAccess } from '#delivery/local/enter-access.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import { serveOnPort } from '#services/access/testing/cell-access.ts';
import { newUser, runRelevo } from '#tools/testing/cli.ts';
import { testServer } from '#tools/testing/server.ts';

/** API clients at the command line, in the order of this file. */
const user = await newUser();
const { tenant, home } = user;
const { server } = await testServer();
const CELL = `${tenant}/staging`;
const as = { RELEVO_OPERATOR: 'ana.quispe' };

interface Added {
  client_id: string;
  name: string;
  scopes: string[];
  secret: string;
  token_url: string;
  others_valid_until?: string | null;
}
interface Listed {
  clients: {
    client_id: string;
    name: string;
    revoked_at: string | null;
    secrets: { ends_with: string; valid_until: string | null }[];
  }[];
}
type Refused = { error: { code: string; message: string; advice?: string } };

before(() => user.json(`tenant add ${tenant}`));

const client = <T>(words: string, status = 0) => user.json<T>(`client ${words} --cell ${CELL}`, status, as);
const list = async (words = '') => (await client<Listed>(`list${words}`)).clients;
const acts = async () =>
  (
    await user.json<{ entries: { actor: string; action: string; subject: string; details: object }[] }>(
      `audit list --cell ${CELL} --action clients`,
    )
  ).entries;

let added: Added;

test('without clients the list says how one is added', async () => {
  assert.deepEqual(await list(), []);
  assert.match((await user.relevo(`client list --cell ${CELL}`)).stdout, /has no clients.*relevo client add/);
});

test('a client is added; its secret is shown once, and nowhere else', async () => {
  added = await client<Added>('add --name Office --scopes cards:read,accounts:read');
  assert.match(added.client_id, new RegExp(`^${tenant}-staging-`));
  assert.deepEqual([added.name, added.scopes], ['Office', ['accounts:read', 'cards:read']]);
  assert.equal(added.token_url, `https://staging.${tenant}.localhost:8443/oauth/token`);
  const listed =
    JSON.stringify([await list(), await acts()]) + (await user.relevo(`client list --cell ${CELL}`)).stdout;
  assert.ok(!listed.includes(added.secret.slice(14, 40)));
  assert.match(
    listed,
    new RegExp(
      `${added.client_id} +Office +accounts:read cards:read +\\S+ \\S+Z? +${added.secret.slice(-4)}`,
    ),
  );
});

test('people are shown a request to copy, in which the secret is no argument', async () => {
  const settings = { RELEVO_HOME: home, RELEVO_DATABASE_URL: server.adminUrl, ...as };
  const words = ['client', 'add', '--cell', CELL, '--name', 'Señal & Cía. (1)', '--scopes', 'cards:read'];
  const { status, stdout } = await runRelevo(words, settings);
  assert.equal(status, 0);
  const [secret] = /relevo_secret_\w+/.exec(stdout)!;
  assert.equal(stdout.split(secret).length, 2, 'once');
  assert.match(stdout, /Señal & Cía\. \(1\) is a client of/);
  assert.match(stdout, /curl -sS -K - -d grant_type=client_credentials https:\/\/staging\./);
});

test('the request that is shown gets a token from the cell', async (t) => {
  const cell = await openCell(server, home, { tenant, environment: 'staging' });
  t.after(() => cell.close());
  const { answerTokens } = enterAccess(cell, {
    issuer: `https://staging.${tenant}.localhost:8443`,
    onTrouble: console.error,
  });
  const url = await serveOnPort(t, answerTokens);
  const { stdout } = await user.relevo(`client renew ${added.client_id} --cell ${CELL}`, as);
  const [secret] = /relevo_secret_\w+/.exec(stdout)!;
  const shown = await runRelevo(
    ['client', 'add', '--cell', CELL, '--name', 'Copied', '--scopes', 'cards:read'],
    { RELEVO_HOME: home, RELEVO_DATABASE_URL: server.adminUrl, ...as },
  );
  const lines = shown.stdout.split('\n');
  const from = lines.findIndex((line) => line.includes('TOKEN=$('));
  const script = lines
    .slice(from, from + 2)
    .join('\n')
    .replace(/https:\/\/[^/]+/, url)
    .replace(/[a-z0-9]+-staging-[a-z]+/, added.client_id)
    .replace(' | jq -r .access_token', '');
  const { stdout: answer } = await promisify(execFile)('sh', ['-c', `${script}; printf %s "$TOKEN"`], {
    env: { ...process.env, SECRET: secret },
  });
  assert.equal(JSON.parse(answer).scope, 'accounts:read cards:read');
});

test('a renewal says until when the older secret is valid', async () => {
  const renewed = await client<Added>(`renew ${added.client_id} --overlap 30m`);
  const minutes = (Date.parse(renewed.others_valid_until!) - Date.now()) / 60_000;
  assert.ok(minutes > 28 && minutes <= 30.1, String(minutes));
  assert.notEqual(renewed.secret, added.secret);
  const { stdout } = await user.relevo(`client renew ${added.client_id} --cell ${CELL} --overlap 0`, as);
  assert.match(stdout, /Older secrets are not valid any more/);
  const [listed] = (await list()).filter(({ client_id }) => client_id === added.client_id);
  assert.deepEqual(
    listed.secrets.map(({ valid_until }) => valid_until),
    [null],
  );
});

test('revoking twice is fine and says so', async () => {
  const first = await client<{ revoked_at: string; was_revoked: boolean }>(`revoke ${added.client_id}`);
  assert.equal(first.was_revoked, false);
  assert.deepEqual(await client(`revoke ${added.client_id}`), { ...first, was_revoked: true });
  assert.match(
    (await user.relevo(`client revoke ${added.client_id} --cell ${CELL}`)).stdout,
    /was revoked already/,
  );
  assert.ok(!(await list()).some(({ client_id }) => client_id === added.client_id));
  assert.ok((await list(' --revoked')).some(({ client_id }) => client_id === added.client_id));
  assert.match((await user.relevo(`client list --revoked --cell ${CELL}`)).stdout, /revoked 20\d\d-/);
});

test('who did what stands in the audit trail, without secrets', async () => {
  const told = (await acts()).filter(({ subject }) => subject === added.client_id);
  assert.deepEqual(
    told.map(({ actor, action, details }) => [actor, action, details]),
    [
      ['ana.quispe', 'clients.added', { name: 'Office', scopes: 'accounts:read cards:read' }],
      ['ana.quispe', 'clients.secret_renewed', { name: 'Office', overlap_seconds: 86_400 }],
      ['ana.quispe', 'clients.secret_renewed', { name: 'Office', overlap_seconds: 1800 }],
      ['ana.quispe', 'clients.secret_renewed', { name: 'Office', overlap_seconds: 0 }],
      ['ana.quispe', 'clients.revoked', { name: 'Office' }],
    ],
  );
});

test('what cannot be done is refused with a code', async () => {
  const refusals: Readonly<Record<string, string>> = {
    'add --name Office --scopes cards:wriet': 'unknown_scope',
    'add --name Office --scopes ,': 'no_scopes',
    'add --name 4509170000000009 --scopes cards:read': 'bad_client_name',
    'add --name copied --scopes cards:read': 'client_name_taken',
    'add --name Office': 'bad_usage',
    'revoke nobody': 'unknown_client',
    'renew nobody': 'unknown_client',
    [`renew ${added.client_id}`]: 'client_revoked',
    [`renew ${added.client_id} --overlap 31d`]: 'bad_overlap',
    [`renew ${added.client_id} --overlap soon`]: 'bad_usage',
  };
  for (const [words, code] of Object.entries(refusals))
    assert.equal((await client<Refused>(words, 2)).error.code, code, words);
  const { error } = await client<Refused>('add --name Office --scopes cards:wriet', 2);
  assert.match(error.advice!, /Scopes are: accounts:read, authorisations:write, cards:read/);
  const other = await user.json<Refused>(`client revoke ${added.client_id} --cell ${tenant}/demo`, 2, as);
  assert.equal(other.error.code, 'unknown_client', 'a client of one cell is nobody in another');
});
