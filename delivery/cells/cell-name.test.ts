import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENVIRONMENTS, parseTenant, roleName } from './cell-name.ts';
import { CELL_ROLES } from './cell-roles.ts';

/** PostgreSQL cuts longer names off without a word, and two cells could come to share a role. */
const IDENTIFIER_BYTES_MAX = 63;

test('the longest name of a tenant makes names that PostgreSQL does not cut off', () => {
  const tenant = parseTenant(`a${'b'.repeat(23)}`);
  for (const environment of ENVIRONMENTS)
    for (const role of CELL_ROLES)
      assert.ok(Buffer.byteLength(roleName({ tenant, environment }, role)) <= IDENTIFIER_BYTES_MAX, role);
  assert.throws(() => parseTenant(`a${'b'.repeat(24)}`), { code: 'bad_tenant_name' });
});

test('no two cells have a role of one name', () => {
  const names = ['ab', 'ab-demo', 'demo', 'cards'].flatMap((tenant) =>
    ENVIRONMENTS.flatMap((environment) => CELL_ROLES.map((role) => roleName({ tenant, environment }, role))),
  );
  assert.equal(new Set(names).size, names.length);
});

test('a name that may be a card number is none', () =>
  assert.throws(() => parseTenant('a4509170000000009'), { code: 'bad_tenant_name' }));
