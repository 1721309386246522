import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeJwt } from 'jose';
import { startLab } from './testing/lab.ts';

suite('a request', () => {
  test('reaches the cell of its host and token, and the answer its client', async (t) => {
    const lab = await startLab(t);
    const cell = lab.cell('quipu/staging');
    const told = await lab.ask(cell, { token: await cell.token() });
    assert.deepEqual([told.status, told.body], [200, { cell: 'quipu/staging' }]);
    assert.equal(cell.seen.length, 1);
    const [{ url, headers }] = cell.seen;
    assert.equal(url, '/v1/cards/c1');
    const identity = decodeJwt(String(headers['relevo-caller']));
    assert.deepEqual(
      [identity.iss, identity.aud, identity.sub, identity['scope']],
      ['gateway', 'quipu/staging', 'client-1', 'cards:read'],
    );
    assert.equal(headers.authorization, undefined);
    assert.deepEqual(lab.troubles, []);
  });
});
