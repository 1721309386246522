import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { enterAccess, openAccess } from '#delivery/local/enter-access.ts';
import { serveOnPort } from '#services/access/testing/cell-access.ts';
import { testCell } from '#tools/testing/cell.ts';
import { testServer } from '#tools/testing/server.ts';
import { until } from '#tools/testing/until.ts';
import { newTokenKey, readCellFile } from './cell-file.ts';
import { openCell } from './open-cell.ts';
import { rotateKeys, rotateTokenKeys } from './rotate-keys.ts';

const at = (minutes: number) => new Date(Date.UTC(2026, 10, 27) + minutes * 60_000);

test('a token key stays for an hour after its successor was made, however old it is', () => {
  const first = newTokenKey(at(-90 * 24 * 60));
  const twice = rotateTokenKeys(rotateTokenKeys([first], at(0)), at(10));
  assert.deepEqual([twice.length, twice[0]], [3, first]);
  const later = rotateTokenKeys(twice, at(59));
  assert.equal(later.length, 4);
  const onlyLatest = rotateTokenKeys(later, at(10 + 60));
  assert.deepEqual(onlyLatest.slice(0, -1), later.slice(2), 'first signed until 0, the next until 10');
  const aDayLater = rotateTokenKeys(onlyLatest, at(24 * 60));
  assert.deepEqual(aDayLater.slice(0, -1), [onlyLatest.at(-1)]);
  assert.equal(new Set(twice.map(({ kid }) => kid)).size, 3);
  assert.equal(rotateTokenKeys([], at(0)).length, 1, 'a cell of an earlier release has none');
});

test('keys rotate adds a token key that running processes publish, and that signs later', async (t) => {
  const cell = await testCell(t);
  const troubles: unknown[] = [];
  const issuer = 'https://staging.quipu.example';
  const { answerTokens } = enterAccess(cell.opened, { issuer, onTrouble: (error) => troubles.push(error) });
  const url = await serveOnPort(t, answerTokens);
  const added = await openAccess(cell.opened, 'operators').addClient({
    actor: 'ana.quispe',
    name: 'Rotating',
    scopes: ['cards:read'],
  });
  const kidOfToken = async () => {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: added.clientId,
      client_secret: added.secret,
    });
    const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body });
    return decodeProtectedHeader(((await answer.json()) as { access_token: string }).access_token).kid;
  };
  const published = async () => {
    const { keys } = (await (await fetch(`${url}/oauth/jwks`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };
  const [before] = cell.opened.file.tokenKeys!;
  assert.equal(await kidOfToken(), before.kid);
  // The cell is a day old by now.
  const madeAt = new Date(Date.now() - 86_400_000).toISOString();
  const older = { ...cell.opened.file, tokenKeys: [{ ...before, madeAt }] };
  const rotated = await rotateKeys({ ...cell.opened, file: older });
  const file = (await readCellFile(cell.opened.home, cell.name))!;
  assert.deepEqual(
    file.tokenKeys!.map(({ kid }) => kid),
    [before.kid, rotated.token_key],
  );
  assert.equal(rotated.token_keys_kept, 1);
  assert.equal(file.clientSecretKey, cell.opened.file.clientSecretKey, 'secrets stay valid');
  await until('the process has read its file again', async () => (await published()).length === 2);
  assert.equal(await kidOfToken(), before.kid);
  assert.deepEqual(troubles, []);
  const { server } = await testServer();
  const opened = await openCell(server, cell.opened.home, cell.name);
  t.after(() => opened.close());
  assert.deepEqual((await rotateKeys(opened)).token_keys_kept, 2);
});
