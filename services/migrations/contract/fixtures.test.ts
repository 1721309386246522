import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { fixtureKey } from '#tools/testing/keys.ts';
import { migrateFile } from '#tools/testing/migrate.ts';
import { storedRows } from '#tools/testing/tables.ts';

/** Files that GnuPG made from an independent reading of the contract, with what they have to come to. */
const folder = new URL('../fixtures/portfolio/', import.meta.url);
const pathOf = (name: string) => fileURLToPath(new URL(name, folder));
const keys = { cellKey: await fixtureKey('cell'), tenantKey: await fixtureKey('andina') };

interface Expected {
  readonly rows: Record<string, number>;
  readonly outcomes: Record<string, number>;
  readonly by_type: Record<string, unknown>;
  readonly rejections: Record<string, number>;
  readonly invalid_fields: Record<string, number>;
  readonly accepted_posted: string;
}

const readJson = async <T>(name: string) => JSON.parse(await readFile(pathOf(name), 'utf8')) as T;

for (const [name, chunkLines] of [
  ['clean-5000.csv.gpg', 4096],
  ['faults-300.csv.asc', 4096],
  ['faults-300.csv.asc', 7],
] as const)
  test(`${name} in chunks of ${chunkLines} comes to exactly what is expected of it`, async (t) => {
    const cell = await testCell(t, { ...keys, settings: { RELEVO_CHUNK_LINES: chunkLines } });
    const expected = await readJson<Expected>(name.replace(/\.csv\.\w+$/, '.expected.json'));
    const { report, lines } = await migrateFile(cell, pathOf(name), { workers: 2 });
    assert.equal(report.state, 'completed');
    assert.equal(report.reconciled, true);
    const { C, O, W, '?': unknown = 0 } = report.rows;
    assert.deepEqual({ C, O, W }, expected.rows);
    assert.equal(C + O + W + unknown, lines.length);
    assert.deepEqual(report.outcomes, expected.outcomes);
    assert.deepEqual(report.by_type, expected.by_type);
    assert.deepEqual(report.rejections, expected.rejections);
    assert.deepEqual(report.invalid_fields, expected.invalid_fields);
    const side = (which: 'file' | 'ledger') =>
      Object.entries(report.posted)
        .map(([currency, sides]) => `${currency}=${sides[which]}`)
        .join(';');
    assert.equal(side('file'), expected.accepted_posted);
    assert.equal(side('ledger'), expected.accepted_posted);
  });

test('every refused file gives its code and stores nothing but the refusal', async (t) => {
  const cell = await testCell(t, keys);
  const expected = await readJson<Record<string, string>>('refused/expected.json');
  const before = await storedRows(cell);
  for (const [name, code] of Object.entries(expected)) {
    const { report } = await migrateFile(cell, pathOf(`refused/${name}`));
    assert.equal(report.refusal?.code, code, name);
    assert.equal(report.state, 'refused');
  }
  const after = await storedRows(cell);
  const refusals = after['migrations.migrations'];
  assert.equal(refusals.length, Object.keys(expected).length);
  for (const row of refusals)
    assert.match(row, /"state":"refused".*"plaintext_sha256":null.*"refusal_code":"\w+"/);
  assert.deepEqual({ ...after, 'migrations.migrations': [] }, before);
});
