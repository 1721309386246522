import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { PrivateKey } from 'openpgp';
import { exportPublicKey } from '#runtime/openpgp/keys.ts';
import {
  encryptedMessage,
  type Encryption,
  signedContent,
} from '#runtime/openpgp/testing/written-by-library.ts';
import { reportMigration } from '#services/migrations/books/report.ts';
import { resultPath } from '#services/migrations/books/result-file.ts';
import { emptyState } from '#services/migrations/oracle/state.ts';
import { storeKey } from '#delivery/cells/cell-keys.ts';
import { seal, type TestCell, testCell } from '#tools/testing/cell.ts';
import { goodFile } from '#tools/testing/good-file.ts';
import { curveKey, rsaKey } from '#tools/testing/keys.ts';
import { migrate, migrateFile } from '#tools/testing/migrate.ts';
import { assertAsJudged, judge } from '#tools/testing/play.ts';

/** The same portfolio in every form that a tenant's program may give it. */
const tenants: Record<string, PrivateKey> = {
  'RSA 3072': await rsaKey(),
  Curve25519: await curveKey(),
};

async function migratesAsJudged(cell: TestCell, message: Uint8Array, csv: string | Buffer): Promise<void> {
  const migrated = await migrateFile(cell, await cell.keep(message));
  assertAsJudged(migrated, judge(csv, emptyState()), csv);
  assert.equal(migrated.report.outcomes.migrated, 3);
}

for (const [algorithm, tenantKey] of Object.entries(tenants)) {
  for (const armored of [false, true])
    for (const compress of [false, true]) {
      const form = `${armored ? 'armoured' : 'binary'}, ${compress ? 'compressed' : 'not compressed'}`;
      test(`${algorithm}: ${form}`, async (t) => {
        const cell = await testCell(t, { tenantKey });
        const letter = { from: tenantKey, to: cell.cellKey, armored, compress };
        await migratesAsJudged(cell, await seal(goodFile(), letter), goodFile());
      });
    }

  const byLibrary: Record<string, Encryption> = {
    'SEIPD version 1': { form: 'seipd1' },
    'SEIPD version 2, OCB': { form: 'seipd2', mode: 'ocb' },
    'SEIPD version 2, GCM, chunks of 64 bytes': { form: 'seipd2', mode: 'gcm', chunkPower: 0 },
  };
  for (const [form, encryption] of Object.entries(byLibrary))
    test(`${algorithm}: OpenPGP.js with ${form}`, async (t) => {
      const cell = await testCell(t, { tenantKey });
      const signed = await signedContent(Buffer.from(goodFile()), tenantKey);
      const message = await encryptedMessage(signed, [cell.cellKey.toPublic()], encryption);
      await migratesAsJudged(cell, message, goodFile());
    });
}

test('every text form says the same and is one content', async (t) => {
  const lines = goodFile().trimEnd().split('\n');
  const quoted = lines.map((line) => (line.includes('"') ? line : line.replaceAll(/[^,]+/g, '"$&"')));
  const cell = await testCell(t);
  const forms: Record<string, string> = {
    'CRLF line ends': `${lines.join('\r\n')}\r\n`,
    'no line end after the trailer': lines.join('\n'),
    'CRLF but for the end': lines.join('\r\n'),
    'LF and CRLF mixed': lines.map((line, i) => line + (i % 2 ? '\n' : '\r\n')).join(''),
    'every field quoted': `${quoted.join('\n')}\n`,
  };
  const state = emptyState();
  let sequence = 0;
  for (const [form, csv] of Object.entries(forms)) {
    const file = csv
      .replace('andina-full-001', `form-${++sequence}`)
      .replace(/full"?,"?1(?=\D)/, (kind) => kind.replace('1', String(sequence)));
    const migrated = await migrate(cell, file);
    assertAsJudged(migrated, judge(file, state), file);
    assert.deepEqual(migrated.report.outcomes, sequence === 1 ? { migrated: 3 } : { unchanged: 3 }, form);
  }
});

test('cell and tenant keys may be many; any registered one signs', async (t) => {
  const cell = await testCell(t, { tenantKey: tenants['RSA 3072'] });
  const db = cell.opened.connect('keys', 1);
  const second = tenants['Curve25519'];
  await storeKey(db, cell.vault, {
    owner: 'tenant',
    fingerprint: second.getFingerprint().toUpperCase(),
    publicKey: second.toPublic().armor(),
  });
  const entered = { ...cell, keys: (await cell.enter()).keys, tenantKey: second };
  const message = await seal(goodFile(), { from: second, to: cell.cellKey });
  await migratesAsJudged(entered, message, goodFile());
});

const installed = spawnSync('gpg', ['--version']).status === 0;

describe('GnuPG', { skip: installed ? false : 'gpg is not installed' }, () => {
  const home = mkdtempSync(join(tmpdir(), 'gnupg-'));
  const batch = ['--batch', '--yes', '--no-tty', '--quiet', '--trust-model', 'always', '--pinentry-mode'];
  const gpg = (args: string[], input: Uint8Array = Buffer.alloc(0)) =>
    execFileSync('gpg', [...batch, 'loopback', '--passphrase', '', ...args], {
      input,
      env: { ...process.env, GNUPGHOME: home },
      stdio: ['pipe', 'pipe', 'pipe'],
    });

  before(() => {
    for (const key of Object.values(tenants)) gpg(['--import'], Buffer.from(key.armor()));
  });
  after(() => {
    spawnSync('gpgconf', ['--kill', 'all'], { env: { ...process.env, GNUPGHOME: home } });
    rmSync(home, { recursive: true, force: true });
  });

  async function asSender(t: TestContext, tenantKey: PrivateKey) {
    const cell = await testCell(t, { tenantKey });
    gpg(['--import'], Buffer.from(exportPublicKey(cell.cellKey)));
    const sender = ['-u', tenantKey.getFingerprint(), '-r', cell.cellKey.getFingerprint()];
    return { cell, sender: ['--sign', '--encrypt', ...sender] };
  }

  for (const [algorithm, tenantKey] of Object.entries(tenants))
    for (const options of [[], ['--armor'], ['--compress-algo', 'none'], ['--compress-algo', 'bzip2']])
      test(`${algorithm}: gpg --sign --encrypt ${options.join(' ')}`, async (t) => {
        const { cell, sender } = await asSender(t, tenantKey);
        await migratesAsJudged(cell, gpg([...sender, ...options], Buffer.from(goodFile())), goodFile());
      });

  test("a tenant reads its result file with gpg, and the signature is the cell's", async (t) => {
    const { cell, sender } = await asSender(t, tenants['RSA 3072']);
    const path = await cell.keep(gpg(sender, Buffer.from(goodFile())));
    const { report, migration } = await migrateFile(cell, path);
    assert.equal((await reportMigration(cell, migration, { resultFile: null })).state, 'completed');
    const status = join(home, 'status');
    writeFileSync(status, '');
    const sealed = readFileSync(resultPath(cell, migration.importNumber));
    const text = gpg(['--decrypt', '--status-file', status], sealed).toString();
    assert.match(text, /^H,1,andina-full-001,/);
    assert.equal(report.result_file, resultPath(cell, migration.importNumber));
    const said = readFileSync(status, 'utf8');
    assert.match(said, new RegExp(`VALIDSIG ${cell.cellKey.getFingerprint().toUpperCase()}`));
  });
});
