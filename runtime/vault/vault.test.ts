import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { Pan } from './pan.ts';
import { newKey, sealedVersion } from './seal.ts';
import { KEY_PURPOSES, type SealingPurpose, unwrapKey, Vault, wrapKey, wrapNewKey } from './vault.ts';

const kek = { version: 1, key: newKey() };
const keysOf = (version: number) => KEY_PURPOSES.map((purpose) => wrapNewKey(kek, purpose, version));
const firstKeys = keysOf(1);
const vault = new Vault([kek], firstKeys);
const purposes: readonly SealingPurpose[] = ['pan', 'pin', 'chunk', 'openpgp'];

const purpose = fc.constantFrom(...purposes);
const bytes = fc.uint8Array({ maxLength: 300 });
const hasCode = (code: string) => (error: unknown) => (error as { code: string }).code === code;

test('what was sealed opens in its place alone, under its purpose alone, unaltered alone', () =>
  fc.assert(
    fc.property(purpose, bytes, bytes, fc.nat(), (purpose, plain, place, at) => {
      const sealed = vault.seal(purpose, plain, place);
      assert.deepEqual(vault.open(purpose, sealed, place), Buffer.from(plain));
      assert.throws(() => vault.open(purpose, sealed, Buffer.concat([place, Buffer.from([0])])));
      for (const other of purposes)
        if (other !== purpose) assert.throws(() => vault.open(other, sealed, place));
      const altered = Buffer.from(sealed);
      altered[at % altered.length] ^= 1 << (at % 8);
      assert.throws(() => vault.open(purpose, altered, place));
      assert.throws(() => vault.open(purpose, sealed.subarray(0, -1), place));
    }),
  ));

test('the same value sealed twice looks different each time', () => {
  const sealed = Array.from({ length: 3000 }, () =>
    vault.seal('pan', Buffer.from('4509170000000009'), Buffer.alloc(0)),
  );
  assert.equal(new Set(sealed.map((each) => each.toString('hex'))).size, sealed.length);
  assert.equal(
    new Set(sealed.map((each) => each.subarray(2, 14).toString('hex'))).size,
    sealed.length,
    'nonces',
  );
});

test('after a rotation older values open, new ones are sealed by the new key, codes stay the same', () => {
  const sealed = vault.seal('pan', Buffer.from('a card number'), Buffer.from('place'));
  const secondKeys = purposes.map((purpose) => wrapNewKey(kek, purpose, 2));
  const rotated = new Vault([kek], [...secondKeys, ...firstKeys]);
  assert.equal(rotated.open('pan', sealed, Buffer.from('place')).toString(), 'a card number');
  assert.equal(rotated.currentVersion('pan'), 2);
  assert.equal(sealedVersion(rotated.seal('pan', Buffer.from('x'), Buffer.alloc(0))), 2);
  const code = (of: Vault) => {
    const coder = of.coder('pan-index');
    coder.add(Buffer.from('4509170000000009'));
    return coder.macs().toString('hex');
  };
  assert.equal(code(rotated), code(vault));
  assert.notEqual(code(new Vault([kek], keysOf(1))), code(vault));
  const newer = rotated.seal('pan', Buffer.from('x'), Buffer.alloc(0));
  assert.throws(() => vault.open('pan', newer, Buffer.alloc(0)), hasCode('data_key_missing'));
});

test('what is authenticated has a code of its own, under a key of its own, for life', () => {
  const message = Buffer.from('an entry');
  const code = vault.authenticate('audit', message);
  assert.equal(code.length, 32);
  assert.deepEqual(vault.authenticate('audit', message), code);
  assert.notDeepEqual(vault.authenticate('audit', Buffer.from('an entry ')), code);
  assert.notDeepEqual(new Vault([kek], keysOf(1)).authenticate('audit', message), code);
  const rotated = new Vault([kek], [...firstKeys, ...purposes.map((each) => wrapNewKey(kek, each, 2))]);
  assert.deepEqual(rotated.authenticate('audit', message), code);
});

test('a key wrapped by another key-encryption key, or for another purpose, is refused', () => {
  const [first] = firstKeys;
  assert.throws(() => unwrapKey([{ version: 2, key: kek.key }], first), hasCode('kek_missing'));
  assert.throws(() => unwrapKey([{ version: 1, key: newKey() }], first), hasCode('kek_wrong'));
  assert.throws(() => unwrapKey([kek], { ...first, purpose: 'pin' }), hasCode('kek_wrong'));
  assert.throws(() => unwrapKey([kek], { ...first, version: 2 }), hasCode('kek_wrong'));
  const anew = wrapKey({ version: 2, key: newKey() }, 'pan', { version: 1, key: unwrapKey([kek], first) });
  assert.equal(sealedVersion(anew.wrapped), 2);
});

test('a card number shows its last four digits, however it is printed', () => {
  const pan = new Pan('4509170000000009');
  for (const shown of [
    `${pan}`,
    JSON.stringify({ pan }),
    inspect(pan),
    inspect({ pan }),
    String(pan),
    pan.masked,
  ])
    assert.doesNotMatch(shown, /4509170000000009|0000000/);
  assert.equal(pan.masked, '450917******0009');
  assert.match(String(pan), /0009$/);
  assert.equal(pan.reveal(), '4509170000000009');
});
