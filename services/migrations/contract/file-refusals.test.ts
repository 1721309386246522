import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createMessage, encrypt, generateKey, revokeKey, sign } from 'openpgp';
import type { fileErrors } from '#services/migrations/service.ts';
import { validatePortfolio } from '#services/migrations/portfolio-rehearsal.ts';
import { registerTenantKey, seal, testCell } from '#tools/testing/cell.ts';
import { goodFile } from '#tools/testing/good-file.ts';
import { curveKey } from '#tools/testing/keys.ts';
import { migrate, migrateFile } from '#tools/testing/migrate.ts';
import { storedRows } from '#tools/testing/tables.ts';

/** Refusals of a whole file (portfolio format, "What happens to a file"): a code, and nothing stored. */
const cell = await testCell(null, { settings: { RELEVO_PLAINTEXT_BYTES_MAX: 4096 } });
const { cellKey } = cell;
const stranger = await curveKey('Stranger');
const HOUR_MS = 3_600_000;

const sealed = (csv: string) => seal(csv, { from: cell.tenantKey, to: cellKey });
const good = await sealed(goodFile());

const unsigned = async () =>
  Buffer.from(
    await encrypt({
      message: await createMessage({ binary: Buffer.from(goodFile()) }),
      encryptionKeys: cellKey.toPublic(),
      format: 'binary',
    }),
  );
const notEncrypted = async () =>
  Buffer.from(
    await sign({
      message: await createMessage({ binary: Buffer.from(goodFile()) }),
      signingKeys: cell.tenantKey,
      format: 'binary',
    }),
  );

/** Signed when the key was good; by now it is not. */
async function bySpentKey(spend: 'expired' | 'revoked'): Promise<Buffer> {
  const date = new Date(Date.now() - 2 * HOUR_MS);
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: { name: spend },
    date,
    keyExpirationTime: spend === 'expired' ? HOUR_MS / 1000 : 0,
    format: 'object',
  });
  const message = await sign({
    message: await createMessage({ binary: Buffer.from(goodFile()) }),
    signingKeys: privateKey,
    date,
    format: 'object',
  });
  const envelope = await encrypt({ message, encryptionKeys: cellKey.toPublic(), format: 'binary' });
  const now =
    spend === 'expired' ? privateKey : (await revokeKey({ key: privateKey, format: 'object' })).privateKey;
  await registerTenantKey(cell, now);
  return Buffer.from(envelope);
}

const altered = (bytes: Buffer, at: number) => {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1;
  return copy;
};

const cases: Record<keyof typeof fileErrors, Record<string, () => Buffer | Promise<Buffer>>> = {
  not_openpgp: {
    'an empty file': () => Buffer.alloc(0),
    'the plaintext itself': () => Buffer.from(goodFile()),
    'any bytes': () => Buffer.concat([Buffer.from([0x00]), randomBytes(4000)]),
  },
  no_decryption_key: {
    'encrypted to somebody else': () => seal(goodFile(), { from: cell.tenantKey, to: stranger }),
    'signed, but not encrypted': notEncrypted,
  },
  integrity_failed: {
    'one bit altered in the middle': () => altered(good, good.length - 200),
    'the last byte altered': () => altered(good, good.length - 1),
    'cut short': () => good.subarray(0, good.length - 30),
    'cut short and unsigned': async () => (await unsigned()).subarray(0, -5),
  },
  unsigned: { 'encrypted alone': unsigned },
  unknown_signer: { "a stranger's signature": () => seal(goodFile(), { from: stranger, to: cellKey }) },
  bad_signature: {
    'a key that has expired': () => bySpentKey('expired'),
    'a key that was revoked': () => bySpentKey('revoked'),
  },
  too_large: {
    'beyond the limit': () => sealed(goodFile({ header: { source: 'x' } }) + 'x'.repeat(4096)),
    'a small bomb': () => seal('\n'.repeat(5_000_000), { from: cell.tenantKey, to: cellKey, compress: true }),
  },
  bad_header: {
    'nothing in it': () => sealed(''),
    'a byte-order mark': () => sealed(`\ufeff${goodFile()}`),
    'no H line first': () => sealed(goodFile().split('\n').slice(1).join('\n')),
    'a sequence of 0': () => sealed(goodFile({ header: { sequence: '0' } })),
    'a mock with a sequence': () => sealed(goodFile({ header: { kind: 'mock' } })),
    'a BIN range of 5 digits': () => sealed(goodFile({ header: { bin_ranges: '45091' } })),
    'a created_at that is no time': () =>
      sealed(goodFile({ header: { created_at: '2026-13-01T00:00:00Z' } })),
  },
  unsupported_version: {
    'version 2': () => sealed(goodFile({ header: { format_version: '2' } })),
    'version 2 with other fields': () => sealed('H,2,some,other,fields\nT,0\n'),
  },
  wrong_cell: {
    'another tenant': () => sealed(goodFile({ header: { tenant: 'boreal' } })),
    'another environment': () => sealed(goodFile({ header: { environment: 'demo' } })),
  },
  file_id_reused: {
    'other content': () => sealed(goodFile({ header: { file_id: 'taken', sequence: '2' } })),
  },
  bad_sequence: {
    'the same again': () => sealed(goodFile({ header: { sequence: '1' } })),
    'a gap': () => sealed(goodFile({ header: { sequence: '3' } })),
    'a new source begins at 1': () => sealed(goodFile({ header: { source: 'other', sequence: '2' } })),
  },
  missing_trailer: {
    'no T line': () =>
      sealed(
        goodFile({ header: { sequence: '2' } })
          .split('\n')
          .slice(0, -2)
          .join('\n'),
      ),
    'a line after it': () => sealed(`${goodFile({ header: { sequence: '2' } })}W,x\n`),
    'an empty line after it': () => sealed(`${goodFile({ header: { sequence: '2' } })}\n`),
    'two files in one': () => sealed(goodFile({ header: { sequence: '2' } }).repeat(2)),
    'sums out of order': () =>
      sealed(goodFile({ header: { sequence: '2' }, trailer: { posted_totals: 'USD=0;PEN=100' } })),
  },
  control_totals_mismatch: Object.fromEntries(
    Object.entries({
      card_rows: '2',
      hold_rows: '0',
      token_rows: '7',
      posted_totals: 'PEN=101',
      held_totals: 'PEN=50;USD=0',
    }).map(([figure, sent]) => [
      figure,
      () => sealed(goodFile({ header: { sequence: '2' }, trailer: { [figure]: sent } })),
    ]),
  ),
};

test('the file before them', async () => {
  const { report } = await migrate(cell, goodFile({ header: { file_id: 'taken' } }));
  assert.equal(report.outcomes.migrated, 3);
});

for (const [code, files] of Object.entries(cases))
  for (const [why, make] of Object.entries(files))
    test(`${code}: ${why}`, async () => {
      const path = await cell.keep(await make());
      const entered = { ...cell, keys: (await cell.enter()).keys }; // a key may have come since
      const before = await storedRows(cell);
      const { report, migration, lines } = await migrateFile(entered, path);
      assert.equal(report.refusal?.code, code, report.refusal?.message);
      assert.ok(report.refusal.message.length > 10);
      assert.equal(report.result_file, null);
      assert.deepEqual([report.outcomes, report.posted, lines], [{}, {}, []]);
      assert.equal(migration.plaintextSha256, null);

      const after = await storedRows(cell);
      const refusal = after['migrations.migrations'].filter(
        (row) => !before['migrations.migrations'].includes(row),
      );
      assert.equal(refusal.length, 1);
      assert.deepEqual({ ...after, 'migrations.migrations': before['migrations.migrations'] }, before);

      const foretold = await validatePortfolio(entered, path, {});
      assert.deepEqual([foretold.refusal, foretold.outcomes], [report.refusal, {}]);
      assert.deepEqual(await storedRows(cell), after);
    });

test('a mismatch names each figure, sent and counted', async () => {
  const trailer = { card_rows: '9', held_totals: '' };
  const { report } = await migrate(cell, goodFile({ header: { sequence: '2' }, trailer }));
  assert.match(report.refusal!.message, /card_rows: sent 9, counted 1/);
  assert.match(report.refusal!.message, /held_totals PEN: sent nothing, counted 50/);
  assert.doesNotMatch(report.refusal!.message, /token_rows|posted_totals/);
});

test('after all refusals the next file of the source is still the next', async () => {
  const { report } = await migrate(
    cell,
    goodFile({ header: { sequence: '2', file_id: 'next', kind: 'delta' } }),
  );
  assert.deepEqual(report.outcomes, { unchanged: 3 });
});
