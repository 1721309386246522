import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { encryptKey, revokeKey } from 'openpgp';

import {
  assertUsable,
  describeKey,
  exportPublicKey,
  generateCellKey,
  KeyRefusal,
  readPrivateKey,
  readPublicKey,
  type KeyPurpose,
} from './keys.ts';
import { newKey } from './testing/written-by-library.ts';

const refuses = (code: string, attempt: Promise<unknown>) =>
  assert.rejects(attempt, (error) => error instanceof KeyRefusal && error.code === code);

describe('the key of a cell', () => {
  test('is Curve25519 in a form that GnuPG 2.2 takes, and survives armour', async () => {
    const date = new Date('2026-01-01T00:00:00Z');
    const now = new Date('2026-02-01T00:00:00Z');
    const key = await generateCellKey({ name: 'Cell', email: 'cell@example.org', expiresInDays: 365, date });
    const again = await readPrivateKey(key.armor());
    const description = await describeKey(await readPublicKey(exportPublicKey(again)), now);
    assert.deepEqual(description, {
      fingerprint: key.getFingerprint().toUpperCase(),
      keyId: key.getFingerprint().toUpperCase().slice(-16),
      algorithm: 'Curve25519',
      userIds: ['Cell <cell@example.org>'],
      createdAt: date,
      expiresAt: new Date('2027-01-01T00:00:00Z'),
      revoked: false,
      canSign: true,
      canEncrypt: true,
      private: false,
      warnings: [],
    });
    assert.equal(key.keyPacket.version, 4);
    const { selfCertification } = await again.getPrimaryUser(now);
    assert.deepEqual(selfCertification.preferredHashAlgorithms, [10, 9, 8]); // no SHA-3
    assert.equal((await describeKey(key, now)).private, true);
  });

  test('needs neither an address nor an end', async () => {
    const { userIds, expiresAt } = await describeKey(await generateCellKey({ name: 'Cell' }));
    assert.deepEqual(userIds, ['Cell']);
    assert.equal(expiresAt, null);
  });
});

describe('reading a key', () => {
  test('binary or armoured, with text around the armour', async () => {
    const key = await newKey('tenant');
    const fingerprint = key.getFingerprint();
    const publicKey = key.toPublic();
    for (const material of [publicKey.write(), publicKey.armor(), Buffer.from(`\n${publicKey.armor()}\n\n`)])
      assert.equal((await readPublicKey(material)).getFingerprint(), fingerprint);
    for (const material of [key.write(), key.armor()])
      assert.equal((await readPrivateKey(material)).getFingerprint(), fingerprint);
  });

  test('refuses what is no single key, and the wrong half', async () => {
    const key = await newKey('tenant');
    const two = Buffer.concat([key.toPublic().write(), (await newKey('other')).toPublic().write()]);
    for (const material of ['', 'H,1,file-1', '-----BEGIN PGP MESSAGE-----', Buffer.alloc(300, 0x99), two])
      await refuses('not_a_key', readPublicKey(material));
    await refuses('private_key', readPublicKey(key.armor()));
    await refuses('public_key', readPrivateKey(key.toPublic().armor()));
  });

  test('unlocks a private key', async () => {
    const locked = (await encryptKey({ privateKey: await newKey('tenant'), passphrase: 'right' })).armor();
    assert.ok((await readPrivateKey(locked, 'right')).isDecrypted());
    await refuses('passphrase_needed', readPrivateKey(locked));
    await refuses('passphrase_wrong', readPrivateKey(locked, 'wrong'));
    await refuses('passphrase_wrong', readPrivateKey(locked, ''));
  });
});

describe('a key is judged by its purpose', () => {
  const both: KeyPurpose[] = ['signing', 'encryption'];

  test('refusals', async () => {
    const past = new Date('2026-01-01T00:00:00Z');
    const now = new Date('2026-03-01T00:00:00Z');
    const key = await newKey('tenant', { date: past });
    const expired = await newKey('expired', { date: past, keyExpirationTime: 86_400 });
    const { publicKey: revoked } = await revokeKey({ key, date: now, format: 'object' });
    const weak = await newKey('weak', {
      date: past,
      type: 'rsa',
      rsaBits: 1024,
      config: { minRSABits: 1024 },
    });
    const signingOnly = await newKey('signing-only', { date: past, subkeys: [] });
    for (const purpose of both) {
      await assertUsable(key, { for: purpose, now });
      await refuses('expired', assertUsable(expired, { for: purpose, now }));
      await refuses('revoked', assertUsable(revoked, { for: purpose, now }));
      await refuses('too_weak', assertUsable(weak, { for: purpose, now }));
    }
    await assertUsable(signingOnly, { for: 'signing', now });
    await refuses('no_encryption_key', assertUsable(signingOnly, { for: 'encryption', now }));
    await refuses(
      'no_signing_key',
      assertUsable(key, { for: 'signing', now: new Date('2025-01-01T00:00:00Z') }),
    );
  });

  test('warnings', async () => {
    const date = new Date('2026-01-01T00:00:00Z');
    const key = await newKey('rsa', { date, type: 'rsa', rsaBits: 2048, keyExpirationTime: 90 * 86_400 });
    const warnings = async (now: string) => (await describeKey(key, new Date(now))).warnings.join(' ');
    assert.equal((await describeKey(key)).algorithm, 'RSA 2048');
    assert.match(await warnings('2026-01-02T00:00:00Z'), /^RSA with 2048 bits/);
    assert.match(await warnings('2026-03-15T00:00:00Z'), /expires on 2026-04-01/);
    assert.match(await warnings('2026-05-01T00:00:00Z'), /expired on 2026-04-01/);
    const { publicKey: revoked } = await revokeKey({ key, date, format: 'object' });
    const description = await describeKey(revoked, new Date('2026-02-01T00:00:00Z'));
    assert.equal(description.revoked, true);
    assert.equal(description.canSign, false);
    assert.match(description.warnings.join(' '), /revoked/);
  });

  test('names of algorithms', async () => {
    const algorithm = async (options: Parameters<typeof newKey>[1]) =>
      (await describeKey(await newKey('key', options))).algorithm;
    assert.equal(await algorithm({ type: 'curve25519' }), 'Curve25519');
    assert.equal(await algorithm({ type: 'curve448' }), 'Curve448');
    assert.equal(await algorithm({ type: 'ecc', curve: 'nistP256' }), 'NIST P-256');
  });
});
