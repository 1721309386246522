import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import fc from 'fast-check';
import { decrypt, readMessage, revokeKey, type PrivateKey } from 'openpgp';

import { generateCellKey, KeyRefusal } from './keys.ts';
import { openMessage } from './open-message.ts';
import { sealMessage, type SealMessageOptions } from './seal-message.ts';
import { collect, inPieces } from './testing/streams.ts';
import { newKey } from './testing/written-by-library.ts';

let cell: PrivateKey;
let tenant: PrivateKey;

before(async () => {
  cell = await generateCellKey({ name: 'Cell', email: 'cell@example.org' });
  tenant = await newKey('tenant', { type: 'rsa', rsaBits: 2048 });
});

type Choices = Partial<SealMessageOptions> & { readonly pieceBytes?: number };

const seal = (data: Uint8Array, { pieceBytes, ...choices }: Choices = {}) =>
  collect(
    sealMessage(inPieces(data, pieceBytes ?? 10_000), {
      signingKey: cell,
      encryptionKeys: [tenant.toPublic()],
      ...choices,
    }),
  );

async function open(message: Uint8Array, signer = cell) {
  const opened = openMessage(inPieces(message), {
    decryptionKeys: [tenant],
    verificationKeys: [signer.toPublic()],
    maxPlaintextBytes: 1e9,
  });
  return { plaintext: await collect(opened.plaintext), verified: opened.verified() };
}

describe('a sealed message', () => {
  test('opens to what was sealed, whatever its length and its pieces', async () => {
    const around = (bytes: number) => fc.integer({ min: bytes - 8, max: bytes + 8 });
    const length = fc.oneof(fc.nat(600), around(8384), around(65_536), around(2 * 65_536), fc.nat(300_000));
    await fc.assert(
      fc.asyncProperty(
        length,
        fc.integer({ min: 1000, max: 100_000 }),
        fc.boolean(),
        fc.boolean(),
        async (bytes, pieceBytes, compress, armored) => {
          const data = Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 2654435761) >>> 11));
          const { plaintext, verified } = await open(await seal(data, { pieceBytes, compress, armored }));
          assert.ok(plaintext.equals(data));
          assert.equal(verified.signer, cell.getFingerprint().toUpperCase());
        },
      ),
      { numRuns: 60 },
    );
  });

  test('is read by the library, signature and file name included', async () => {
    const data = Buffer.from('R,1,C,card-1,migrated\n'.repeat(20_000));
    for (const compress of [false, true])
      for (const signingKey of [cell, await newKey('rsa', { type: 'rsa', rsaBits: 2048 })]) {
        const date = new Date('2030-01-02T03:04:05Z');
        const message = await seal(data, { compress, signingKey, filename: 'résultat.csv', date });
        const opened = await decrypt({
          message: await readMessage({ binaryMessage: new Uint8Array(message) }),
          decryptionKeys: tenant,
          verificationKeys: signingKey.toPublic(),
          expectSigned: true,
          format: 'binary',
          date,
        });
        assert.ok(data.equals(opened.data as Uint8Array));
        assert.equal(opened.filename, 'résultat.csv');
        assert.equal(await opened.signatures[0].verified, true);
        const { packets } = await opened.signatures[0].signature;
        assert.deepEqual(packets[0].created, date);
      }
  });

  test('goes to several recipients', async () => {
    const data = Buffer.from('for both');
    const message = await seal(data, { encryptionKeys: [cell.toPublic(), tenant.toPublic()] });
    assert.ok((await open(message)).plaintext.equals(data));
  });

  test('is armoured in lines of 64 characters', async () => {
    const text = (await seal(Buffer.alloc(200_000), { armored: true })).toString('latin1');
    const lines = text.trimEnd().split('\n');
    assert.equal(lines[0], '-----BEGIN PGP MESSAGE-----');
    assert.equal(lines.at(-1), '-----END PGP MESSAGE-----');
    const data = lines.slice(2, -2);
    assert.ok(data.slice(0, -1).every((line) => line.length === 64));
  });

  test('takes no more of its source than was asked for', async () => {
    let taken = 0;
    const source = (async function* () {
      for (; taken < 1000; taken++) yield Buffer.alloc(65_536);
    })();
    const sealing = sealMessage(source, { signingKey: cell, encryptionKeys: [tenant.toPublic()] });
    for (let i = 0; i < 3; i++) await sealing.next();
    await sealing.return(undefined);
    assert.ok(taken < 10, `${taken} pieces were taken`);
  });
});

describe('keys that cannot serve', () => {
  const refuses = (code: string, choices: Choices) =>
    assert.rejects(
      seal(Buffer.from('x'), choices),
      (error) => error instanceof KeyRefusal && error.code === code,
    );

  test('are refused before the first byte', async () => {
    const past = new Date(Date.now() - 10 * 86_400_000);
    const expired = await newKey('expired', { date: past, keyExpirationTime: 86_400 });
    const { publicKey: revoked } = await revokeKey({ key: tenant, format: 'object' });
    const signingOnly = await newKey('signing-only', { subkeys: [] });
    await refuses('expired', { encryptionKeys: [expired.toPublic()] });
    await refuses('expired', { signingKey: expired });
    await refuses('revoked', { encryptionKeys: [tenant.toPublic(), revoked] });
    await refuses('no_encryption_key', { encryptionKeys: [signingOnly.toPublic()] });
  });
});
