import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { decrypt, readMessage, readPrivateKey } from 'openpgp';
import { judgePortfolio, type Judgement } from './judge-portfolio.ts';
import { emptyState } from './state.ts';

const folder = new URL('../fixtures/portfolio/', import.meta.url);

/** What another party's reading of the contract expects of a sample on an empty cell. */
interface Expected {
  rows: Record<string, number>;
  outcomes: Record<string, number>;
  rejections: Record<string, number>;
  invalid_fields: Record<string, number>;
  by_type: Record<string, Record<string, number>>;
  accepted_posted: string;
}

async function judgeSample(name: string): Promise<Judgement> {
  const bytes = await readFile(new URL(name, folder));
  const message = name.endsWith('.asc')
    ? await readMessage({ armoredMessage: bytes.toString('latin1') })
    : await readMessage({ binaryMessage: new Uint8Array(bytes) });
  const armoredKey = await readFile(new URL('keys/cell-private.asc', folder), 'latin1');
  const decryptionKeys = await readPrivateKey({ armoredKey });
  // The samples' keys are valid from the day they were made, wherever the clock of this machine stands.
  const date = new Date('2026-11-22T00:00:00Z');
  const { data } = await decrypt({ message, decryptionKeys, format: 'binary', date });
  const csv = Buffer.from(data);
  return judgePortfolio(csv, emptyState(), {
    tenant: 'andina',
    environment: 'production',
    today: '2026-11-21',
  });
}

for (const name of ['clean-5000.csv.gpg', 'faults-300.csv.asc']) {
  test(`${name} is judged as its expected.json says`, async () => {
    const expectedFile = new URL(name.replace(/csv\.\w+$/, 'expected.json'), folder);
    const expected = JSON.parse(await readFile(expectedFile, 'utf8')) as Expected;
    const judged = await judgeSample(name);
    assert.equal(judged.refusal, null);
    assert.deepEqual(judged.rows, expected.rows);
    assert.deepEqual(judged.outcomes, expected.outcomes);
    assert.deepEqual(judged.rejections, expected.rejections);
    assert.deepEqual(judged.invalidFields, expected.invalid_fields);
    assert.deepEqual(judged.byType, expected.by_type);
    const posted = Object.entries(judged.posted).map(([currency, sum]) => `${currency}=${sum}`);
    assert.equal(posted.join(';'), expected.accepted_posted);
  });
}

test('samples whose envelope is sound and whose file is not are refused with their code', async () => {
  const expected = JSON.parse(await readFile(new URL('refused/expected.json', folder), 'utf8')) as Record<
    string,
    string
  >;
  for (const name of ['totals.gpg', 'wrong-cell.gpg', 'missing-trailer.gpg']) {
    const { refusal } = await judgeSample(`refused/${name}`);
    assert.equal(refusal?.code, expected[name], name);
  }
});
