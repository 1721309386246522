import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import type { PrivateKey, PublicKey } from 'openpgp';

import { exportPublicKey, generateCellKey, readPublicKey } from './keys.ts';
import { openMessage } from './open-message.ts';
import { sealMessage } from './seal-message.ts';
import { EnvelopeRefusal } from './refusal.ts';
import { collect, inPieces } from './testing/streams.ts';

const installed = spawnSync('gpg', ['--version']).status === 0;

describe('GnuPG', { skip: installed ? false : 'gpg is not installed' }, () => {
  let home: string;
  let cell: PrivateKey;
  let tenant: PublicKey;
  const portfolio = Buffer.from('C,card-1,1,upsert,4111111111111111\r\n'.repeat(20_000));

  const gpg = (args: string[], input: Uint8Array = Buffer.alloc(0)) =>
    execFileSync(
      'gpg',
      [
        '--batch',
        '--yes',
        '--no-tty',
        '--quiet',
        '--trust-model',
        'always',
        '--pinentry-mode',
        'loopback',
        '--passphrase',
        '',
        ...args,
      ],
      { input, env: { ...process.env, GNUPGHOME: home }, maxBuffer: 1e8, stdio: ['pipe', 'pipe', 'pipe'] },
    );

  before(async () => {
    home = mkdtempSync(path.join(tmpdir(), 'gnupg-'));
    cell = await generateCellKey({ name: 'Cell', email: 'cell@example.org' });
    gpg(['--import'], Buffer.from(exportPublicKey(cell)));
    gpg(['--quick-generate-key', 'tenant@example.org', 'rsa2048', 'default', 'never']);
    const fingerprint = gpg(['--list-keys', '--with-colons', 'tenant@example.org'])
      .toString()
      .match(/^fpr:+(\w+):/m)![1];
    gpg(['--quick-add-key', fingerprint, 'cv25519', 'encr', 'never']);
    gpg(['--quick-generate-key', 'stranger@example.org', 'ed25519', 'default', 'never']);
    tenant = await readPublicKey(gpg(['--export', 'tenant@example.org']));
  });

  after(() => {
    spawnSync('gpgconf', ['--kill', 'all'], { env: { ...process.env, GNUPGHOME: home } });
    rmSync(home, { recursive: true, force: true });
  });

  async function open(message: Uint8Array) {
    const opened = openMessage(inPieces(message, 50_000), {
      decryptionKeys: [cell],
      verificationKeys: [tenant],
      maxPlaintextBytes: 1e8,
    });
    return { plaintext: await collect(opened.plaintext), verified: opened.verified() };
  }

  const sealing = ['--sign', '--encrypt', '-u', 'tenant@example.org', '-r', 'cell@example.org'];
  const variants: Record<string, string[]> = {
    'as it comes': [],
    armoured: ['--armor', '--comment', 'cartera'],
    uncompressed: ['--compress-algo', 'none'],
    ZIP: ['--compress-algo', 'zip'],
    BZip2: ['--compress-algo', 'bzip2'],
    'AES-128': ['--cipher-algo', 'aes128'],
    TripleDES: ['--cipher-algo', '3des'],
    'SHA-512 over text': ['--digest-algo', 'sha512', '--textmode'],
    'hidden recipient': ['--throw-keyids'],
    'several recipients': ['-r', 'tenant@example.org', '-R', 'tenant@example.org'],
    'several signers': ['-u', 'stranger@example.org'],
    'a passphrase besides': ['--symmetric', '--passphrase', 'secret'],
    'a file name': ['--set-filename', 'cartera.csv'],
  };
  for (const [name, options] of Object.entries(variants))
    test(`is read: ${name}`, async () => {
      const { plaintext, verified } = await open(gpg([...sealing, ...options], portfolio));
      assert.ok(plaintext.equals(portfolio));
      assert.equal(verified.signer, tenant.getFingerprint().toUpperCase());
    });

  test('is read: from a file, whose length it knows beforehand', async () => {
    const file = path.join(home, 'cartera.csv');
    writeFileSync(file, portfolio);
    for (const options of [[], ['--compress-algo', 'none']]) {
      gpg([...sealing, ...options, '--output', `${file}.gpg`, file]);
      const message = execFileSync('cat', [`${file}.gpg`], { maxBuffer: 1e8 });
      assert.ok((await open(message)).plaintext.equals(portfolio));
    }
  });

  test('refused: what a sender can get wrong', async () => {
    const cases: Record<string, string[]> = {
      no_decryption_key: ['--sign', '--encrypt', '-u', 'tenant@example.org', '-r', 'tenant@example.org'],
      unsigned: ['--encrypt', '-r', 'cell@example.org'],
      unknown_signer: ['--sign', '--encrypt', '-u', 'stranger@example.org', '-r', 'cell@example.org'],
      bad_signature: [...sealing, '--digest-algo', 'sha1'],
    };
    for (const [code, args] of Object.entries(cases))
      await assert.rejects(
        open(gpg(args, portfolio)),
        (error) => error instanceof EnvelopeRefusal && error.code === code,
      );
  });

  test('reads what is sealed for it, and finds the signature good', async () => {
    const armored = [0, 1, 2].map((length) => ({ armored: true, filename: 'x'.repeat(length) })); // each padding
    for (const choices of [{}, { compress: true }, ...armored]) {
      const sealed = await collect(
        sealMessage(inPieces(portfolio, 10_000), { signingKey: cell, encryptionKeys: [tenant], ...choices }),
      );
      const status = path.join(home, 'status');
      assert.ok(gpg(['--decrypt', '--status-file', status], sealed).equals(portfolio));
      const lines = execFileSync('cat', [status]).toString();
      assert.match(lines, new RegExp(`VALIDSIG ${cell.getFingerprint().toUpperCase()}`));
      assert.match(lines, /GOODMDC/);
    }
  });
});
