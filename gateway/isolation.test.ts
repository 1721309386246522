import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { type Asked, CELLS, startLab } from './testing/lab.ts';

const cellName = fc.constantFrom(...CELLS);
const scopes = ['cards:read', 'cards:write', 'ledger:write'] as const;

const paths = {
  '/v1/cards/c1': ['GET', 'cards:read'],
  '/v1/cards/c1/status': ['PUT', 'cards:write'],
  '/v1/transfers': ['POST', 'ledger:write'],
  '/v1/cards/c1/': null,
  '/v1//cards/c1': null,
  '/v1/cards/..%2fc1': null,
  '/v1/cards/%2e%2e': null,
  '/v1/internal': null,
} as const;

const forged = ['genuine', 'other key', 'key of its name', 'expired', 'no type', 'changed'] as const;

const pathNames = Object.keys(paths) as (keyof typeof paths)[];
const mostly = () => fc.constantFrom(true, true, true, false);

const requests = fc.record({
  host: cellName,
  servername: cellName,
  tokenOf: cellName,
  /** Mostly the same cell, so that some requests get through. */
  isOne: mostly(),
  how: fc.constantFrom(...forged, 'genuine', 'genuine', 'genuine'),
  keyOf: cellName,
  scope: fc.oneof(fc.constant([...scopes]), fc.subarray([...scopes])),
  path: fc.oneof(fc.constantFrom(...pathNames.slice(0, 3)), fc.constantFrom(...pathNames)),
  method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE'),
  isRightMethod: mostly(),
});

test('a request reaches a cell only where host, token, scope and path agree, and then the right one', async (t) => {
  const lab = await startLab(t);
  let reached = 0;
  await fc.assert(
    fc.asyncProperty(requests, async (drawn) => {
      const host = lab.cell(drawn.host);
      const servername = drawn.isOne ? host : lab.cell(drawn.servername);
      const tokenOf = drawn.isOne ? host : lab.cell(drawn.tokenOf);
      const keyOf = lab.cell(drawn.keyOf);
      const declared = paths[drawn.path];
      const method = drawn.isRightMethod && declared !== null ? declared[0] : drawn.method;
      let token = await tokenOf.token({
        scope: drawn.scope.join(' '),
        clientId: `of-${tokenOf.cell}`,
        ...(drawn.how === 'other key' && { signedBy: keyOf }),
        ...(drawn.how === 'key of its name' && { signedBy: keyOf, header: { kid: tokenOf.kid } }),
        ...(drawn.how === 'expired' && { claims: { exp: 1 } }),
        ...(drawn.how === 'no type' && { header: { typ: undefined } }),
      });
      if (drawn.how === 'changed')
        token = token.replace(/\.[^.]+\./, (payload) => `${payload.slice(0, -1)}A.`);
      const isGenuine =
        drawn.how === 'genuine' ||
        (['other key', 'key of its name'].includes(drawn.how) && keyOf === tokenOf) ||
        false;
      const asked: Asked = {
        method,
        path: drawn.path,
        token,
        servername: servername.host,
        headers: {
          ...(method !== 'GET' && method !== 'DELETE' && { 'content-type': 'application/json' }),
          'idempotency-key': 'k1',
          'relevo-caller': token,
          'x-forwarded-host': tokenOf.host,
        },
        ...(method !== 'GET' && method !== 'DELETE' && { body: '{}' }),
      };
      const before = CELLS.map((name) => lab.cell(name).seen.length);
      const told = await lab.ask(host, asked);
      const after = CELLS.map((name) => lab.cell(name).seen.length);
      const isRight =
        servername === host &&
        tokenOf === host &&
        isGenuine &&
        declared !== null &&
        declared[0] === method &&
        drawn.scope.includes(declared[1]);
      const asksAt = CELLS.filter((_, at) => after[at] > before[at]);
      assert.deepEqual(asksAt, isRight ? [host.cell] : [], JSON.stringify({ ...drawn, status: told.status }));
      assert.equal(told.status === 200, isRight);
      if (!isRight) return;
      reached++;
      const seen = host.seen.at(-1)!;
      const identity = decodeJwt(String(seen.headers['relevo-caller']));
      assert.deepEqual([identity.aud, identity.sub], [host.cell, `of-${host.cell}`]);
      assert.deepEqual([seen.headers.host, told.body['cell']], [host.host, host.cell]);
    }),
    { numRuns: 600 },
  );
  assert.ok(reached > 60, `only ${reached} requests got through`);
  assert.deepEqual(lab.troubles, []);
});
