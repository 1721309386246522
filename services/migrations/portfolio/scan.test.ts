import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { scanPortfolio, type Scan, type ScanOptions } from './scan.ts';
import { LINE_BYTES_MAX } from './split-line.ts';
import {
  csv,
  goodCard,
  goodHeader,
  goodHold,
  goodToken,
  goodTrailer,
  inPieces,
  TODAY,
} from './test-lines.ts';

const tempDirectory = mkdtempSync(join(tmpdir(), 'scan-test-'));
after(() => rmSync(tempDirectory, { recursive: true }));

function scan(lines: (string | Buffer)[], options: Partial<ScanOptions> = {}): Promise<Scan> {
  return scanBytes(Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])), options);
}

function scanBytes(bytes: Buffer, options: Partial<ScanOptions> = {}): Promise<Scan> {
  return scanPortfolio(inPieces(bytes, [97, 3, 1000]), { today: TODAY, tempDirectory, ...options });
}

const header = csv(goodHeader);
const card = (values: Partial<typeof goodCard> = {}) => csv({ ...goodCard, ...values });
const hold = (values: Partial<typeof goodHold> = {}) => csv({ ...goodHold, ...values });
const token = (values: Partial<typeof goodToken> = {}) => csv({ ...goodToken, ...values });
const trailer = (values: Partial<typeof goodTrailer> = {}) => csv({ ...goodTrailer, ...values });

test('a good file', async () => {
  const lines = [header, token(), card(), hold(), trailer()];
  const found = await scan(lines);
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  assert.equal(found.refusal, null);
  assert.equal(found.header?.fileId, goodHeader.file_id);
  assert.equal(found.plaintextBytes, bytes.length);
  assert.equal(found.plaintextSha256, createHash('sha256').update(bytes).digest('hex'));
  assert.equal(found.lines, 3);
  assert.deepEqual(found.rows, { C: 1, O: 1, W: 1, '?': 0 });
  assert.deepEqual(found.rejections, {
    wrong_field_count: 0,
    bad_encoding: 0,
    invalid_field: 0,
    bin_not_declared: 0,
  });
  assert.deepEqual([...found.posted], [['PEN', 100n]]);
  assert.deepEqual([...found.held], [['PEN', 50n]]);
  assert.equal(found.entangled.length, 0);
});

test('CRLF and a missing last line end change nothing but the bytes', async () => {
  const lines = [header, card(), hold(), token(), trailer()];
  for (const text of [lines.join('\r\n'), `${lines.join('\r\n')}\r\n`, lines.join('\n')]) {
    const found = await scanBytes(Buffer.from(text));
    assert.equal(found.refusal, null);
    assert.equal(found.plaintextBytes, Buffer.byteLength(text));
    assert.equal(found.lines, 3);
  }
});

test('a file without rows closes with an empty trailer', async () => {
  const none = { card_rows: '0', hold_rows: '0', token_rows: '0', posted_totals: '', held_totals: '' };
  assert.equal((await scan([header, trailer(none)])).refusal, null);
});

test('rejected lines count as the contract says: all in the rows, some in the sums', async () => {
  const notUtf8 = Buffer.from(
    card({ external_account_id: 'acct-latin1', given_names: 'Jos\u00e9' }),
    'latin1',
  );
  const found = await scan([
    header,
    card({ pan: '4509170000000008', posted_minor: '1' }), // states acct-1 first, though it is rejected
    card(),
    card({ external_account_id: 'acct-2', pan: '4111111111111111', posted_minor: '-7' }),
    card({ external_account_id: 'acct-3', account_type: 'x', posted_minor: '10', currency: 'USD' }),
    card({ external_account_id: 'acct-4', currency: 'pen', posted_minor: '1000' }),
    card({ external_account_id: 'a b', posted_minor: '1000' }),
    card({ external_account_id: 'acct-5', posted_minor: 'x' }),
    notUtf8,
    `${card({ external_account_id: 'acct-6', posted_minor: '1000' })},`,
    'C,card-9,"',
    `C,card-9,${'x'.repeat(LINE_BYTES_MAX)}`,
    hold({ mcc: 'x', amount_minor: '7' }),
    hold({ currency: 'x' }),
    hold({ amount_minor: '0' }),
    `${hold()},`,
    hold({ currency: 'EUR', amount_minor: '3' }),
    'O',
    token({ requestor: '' }),
    'W,x,"',
    'X,1,2',
    '',
    '"C,card-9',
    trailer({
      card_rows: '11',
      hold_rows: '6',
      token_rows: '2',
      posted_totals: 'PEN=94;USD=10',
      held_totals: 'EUR=3;PEN=7',
    }),
  ]);
  assert.equal(found.refusal, null);
  assert.deepEqual(found.rows, { C: 11, O: 6, W: 2, '?': 3 });
  assert.equal(found.lines, 22);
  assert.deepEqual(found.rejections, {
    wrong_field_count: 9,
    bad_encoding: 1,
    invalid_field: 9,
    bin_not_declared: 1,
  });
});

test('entangled lines are told by their number in the file', async () => {
  const other = { external_card_id: 'card-2', pan: '5105100000000001' };
  const found = await scan([
    header,
    card(),
    hold(),
    card({ ...other, external_account_id: 'acct-2', external_cardholder_id: 'holder-2' }),
    card({ external_card_id: 'card-3' }), // the PAN of line 2
    hold(),
    hold({ external_hold_id: 'hold-2' }),
    card({ version: '0' }), // rejected already, so in nobody's way
    trailer({
      card_rows: '4',
      hold_rows: '3',
      token_rows: '0',
      posted_totals: 'PEN=200',
      held_totals: 'PEN=150',
    }),
  ]);
  assert.equal(found.refusal, null);
  assert.deepEqual([...found.entangled], [2, 3, 5, 6]);
});

test('the first refusal in the order of precedence is given, and the digest in any case', async () => {
  const rows = [card(), hold(), token()];
  const bad = csv({ ...goodHeader, kind: 'x' });
  const unsupported = csv({ ...goodHeader, format_version: '2' });
  const cases: [name: string, lines: string[], code: string][] = [
    ['no header', [...rows, trailer()], 'bad_header'],
    ['a bad header and no trailer', [bad, ...rows], 'bad_header'],
    ['another version and no trailer', [unsupported, ...rows], 'unsupported_version'],
    ['an empty first line', ['', header, ...rows, trailer()], 'bad_header'],
    ['no trailer', [header, ...rows], 'missing_trailer'],
    ['nothing but a header', [header], 'missing_trailer'],
    ['an invalid trailer', [header, ...rows, trailer({ card_rows: 'x' })], 'missing_trailer'],
    ['a line after the trailer', [header, ...rows, trailer(), ''], 'missing_trailer'],
    ['two trailers', [header, ...rows, trailer({ card_rows: '9' }), trailer()], 'missing_trailer'],
    ['a second header', [header, header, ...rows, trailer()], 'missing_trailer'],
    ['a broken H line in the middle', [header, 'H,"', ...rows, trailer()], 'missing_trailer'],
    ['a second header and wrong totals', [header, header, trailer({ card_rows: '9' })], 'missing_trailer'],
    ['wrong totals', [header, ...rows, trailer({ posted_totals: 'PEN=99' })], 'control_totals_mismatch'],
    ['a row too few', [header, ...rows.slice(1), trailer()], 'control_totals_mismatch'],
  ];
  for (const [name, lines, code] of cases) {
    const found = await scan(lines);
    assert.equal(found.refusal?.code, code, name);
    const bytes = `${lines.join('\n')}\n`;
    assert.equal(found.plaintextBytes, Buffer.byteLength(bytes), name);
    assert.equal(found.plaintextSha256, createHash('sha256').update(bytes).digest('hex'), name);
  }
  assert.equal((await scan([])).refusal?.code, 'bad_header');
});

test('a mismatch tells each figure', async () => {
  const { refusal } = await scan([header, card(), trailer()]);
  assert.equal(refusal?.code, 'control_totals_mismatch');
  assert.equal(
    refusal.detail,
    'hold_rows: sent 1, counted 0; token_rows: sent 1, counted 0; held_totals PEN: sent 50, counted nothing',
  );
});

test('progress is told up to the end', async () => {
  const told: { bytes: number; lines: number }[] = [];
  const lines = [header, card(), hold(), token(), trailer()];
  const { plaintextBytes } = await scan(lines, {
    chunkLines: 2,
    onProgress: (progress) => told.push(progress),
  });
  assert.deepEqual(
    told.map((progress) => progress.lines),
    [2, 4, 5],
  );
  assert.equal(told.at(-1)?.bytes, plaintextBytes);
});

test('when the stream fails so does the scan, and nothing is left behind', async () => {
  async function* failing() {
    yield Buffer.from(`${header}\n`);
    for (let i = 0; i < 3000; i++) yield Buffer.from(`${hold({ external_hold_id: `hold-${i}` })}\n`);
    throw new Error('integrity check failed');
  }
  const options = { today: TODAY, tempDirectory, chunkLines: 100, census: { memoryBytes: 0 } };
  await assert.rejects(scanPortfolio(failing(), options), /integrity check failed/);
  assert.deepEqual(readdirSync(tempDirectory), []);
});
