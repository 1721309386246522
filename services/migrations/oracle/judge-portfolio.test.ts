import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgePortfolio, type Judgement } from './judge-portfolio.ts';
import { splitLines } from './lines.ts';
import { emptyState, type OracleState } from './state.ts';
import { countTotals } from './totals.ts';

const cell = { tenant: 'andina', environment: 'production', today: '2026-11-21' };

const goodHeader = {
  type: 'H',
  format_version: '1',
  file_id: 'file-1',
  tenant: 'andina',
  environment: 'production',
  kind: 'full',
  sequence: '1',
  source: 'old-processor',
  created_at: '2026-11-20T06:00:00Z',
  bin_ranges: '45091700;510510',
};

const goodCard = {
  type: 'C',
  external_card_id: 'card-1',
  version: '1',
  operation: 'upsert',
  pan: '4509170000000009',
  expiry: '3208',
  pan_sequence: '',
  service_code: '201',
  status: 'active',
  status_reason: '',
  card_type: 'virtual',
  product: 'classic',
  issued_on: '2019-09-26',
  pin_format: 'ibm3624',
  pin_value: '7601',
  pin_key_id: 'ZPK-01',
  pin_tries_left: '3',
  external_account_id: 'acct-1',
  account_type: 'credit',
  currency: 'PEN',
  posted_minor: '-500',
  credit_limit_minor: '10000',
  daily_limit_minor: '',
  monthly_limit_minor: '',
  external_cardholder_id: 'holder-1',
  given_names: 'Ñusta',
  family_names: 'Quispe Pérez',
  document_type: 'dni',
  document_number: '10000000',
  birth_date: '1992-10-21',
  email: 'a@b.c',
  phone: '+5112345678',
  address_line: 'Jr. "La Unión" 77, Lima',
  city: 'Lima',
  country: 'PE',
  embossed_name: 'ÑUSTA QUISPE',
};

const goodHold = {
  type: 'O',
  external_hold_id: 'hold-1',
  external_card_id: 'card-1',
  amount_minor: '100',
  currency: 'PEN',
  merchant_name: 'Bodega',
  mcc: '5411',
  approval_code: 'A1B2C3',
  stan: '123456',
  rrn: '123456789012',
  approved_at: '2026-11-19T10:00:00Z',
  expires_at: '2026-11-26T10:00:00Z',
};

const goodToken = {
  type: 'W',
  external_token_ref: 'tok-1',
  external_card_id: 'card-1',
  requestor: 'apple-pay',
  device_id: '',
  status: 'active',
  expiry: '3012',
};

const csvLine = (record: object): string =>
  Object.values(record)
    .map((value: string) => (/[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value))
    .join(',');

const header = (changes: Partial<typeof goodHeader> = {}) => csvLine({ ...goodHeader, ...changes });
const card = (changes: Partial<typeof goodCard> = {}) => csvLine({ ...goodCard, ...changes });
const hold = (changes: Partial<typeof goodHold> = {}) => csvLine({ ...goodHold, ...changes });
const token = (changes: Partial<typeof goodToken> = {}) => csvLine({ ...goodToken, ...changes });
/** A second card with a PAN, an account and a holder of its own. */
const other = (changes: Partial<typeof goodCard> = {}) =>
  card({
    external_card_id: 'card-2',
    pan: '5105100000000035',
    external_account_id: 'acct-2',
    external_cardholder_id: 'holder-2',
    ...changes,
  });

/** The trailer that closes these lines. */
function trailerOf(lines: string[]): string {
  const totals = countTotals(splitLines(Buffer.from(lines.join('\n') + '\n')));
  return csvLine({ type: 'T', ...totals });
}

function judge(lines: string[], state = emptyState()): Judgement {
  return judgePortfolio(Buffer.from(lines.join('\n') + '\n'), state, cell);
}

function judgeRows(rows: string[], state?: OracleState, changes: Partial<typeof goodHeader> = {}): string[] {
  const lines = [header(changes), ...rows];
  const { refusal, byLine } = judge([...lines, trailerOf(lines)], state);
  assert.equal(refusal, null);
  return byLine.map(({ outcome, code, field }) =>
    code === undefined ? outcome : field ? `${code} ${field}` : code,
  );
}

/** A cell that has loaded `card()` with its hold and token. */
function loadedState(): OracleState {
  const state = emptyState();
  assert.deepEqual(judgeRows([card(), hold(), token()], state), ['migrated', 'migrated', 'migrated']);
  return state;
}
const delta = { kind: 'delta', file_id: 'file-2', sequence: '2' };

const refusals: [why: string, code: string | null, lines: string[]][] = [
  ['an empty file', 'bad_header', []],
  ['a byte-order mark', 'bad_header', ['\ufeff' + header()]],
  ['a header with a field more', 'bad_header', [header() + ',']],
  ['an unreal moment', 'bad_header', [header({ created_at: '2026-02-29T06:00:00Z' })]],
  ['a BIN of 5 digits', 'bad_header', [header({ bin_ranges: '45091' })]],
  ['a mock with a number', 'bad_header', [header({ kind: 'mock', sequence: '1' })]],
  ['a full file with the number 0', 'bad_header', [header({ sequence: '0' })]],
  ['version 2', 'unsupported_version', [header({ format_version: '2' })]],
  ['version 2 with a field more', 'unsupported_version', [header({ format_version: '2' }) + ',x']],
  ['version 2 and a bad kind', 'bad_header', [header({ format_version: '2', kind: 'partial' })]],
  ['version 2 of another tenant', 'unsupported_version', [header({ format_version: '2', tenant: 'x' })]],
  ['another tenant', 'wrong_cell', [header({ tenant: 'pampa', sequence: '9' })]],
  ['another environment', 'wrong_cell', [header({ environment: 'demo' })]],
  ['a number skipped', 'bad_sequence', [header({ sequence: '2' })]],
  ['no trailer', 'missing_trailer', [header(), card()]],
  ['a header alone', 'missing_trailer', [header()]],
  ['an empty line at the end', 'missing_trailer', [header(), 'T,0,0,0,,', '']],
  ['a second trailer', 'missing_trailer', [header(), 'T,0,0,0,,', 'T,0,0,0,,']],
  ['a second header', 'missing_trailer', [header(), 'H', 'T,0,0,0,,']],
  ['unsorted totals', 'missing_trailer', [header(), 'T,0,0,0,USD=1;PEN=1,']],
  ['a row too few', 'control_totals_mismatch', [header(), card(), 'T,0,0,0,PEN=-500,']],
  ['a sum too high', 'control_totals_mismatch', [header(), card(), 'T,1,0,0,PEN=-499,']],
  ['leading zeros', null, [header({ sequence: '01' }), card(), 'T,01,0,0,PEN=-0500,']],
  ['nothing between header and trailer', null, [header(), 'T,0,0,0,,']],
];

for (const [why, code, lines] of refusals) {
  test(`file: ${why} -> ${code ?? 'accepted'}`, () => {
    const state = emptyState();
    assert.equal(judge(lines, state).refusal?.code ?? null, code);
    if (code !== null) assert.deepEqual(state, emptyState(), 'a refused file leaves no trace');
  });
}

test('file: every figure that differs is named, sent and counted', () => {
  const { refusal } = judge([header(), card(), hold(), 'T,2,1,0,PEN=7;USD=1,PEN=100']);
  assert.deepEqual(refusal?.figures, [
    { name: 'card_rows', sent: '2', counted: '1' },
    { name: 'posted_totals', sent: 'PEN=7;USD=1', counted: 'PEN=-500' },
  ]);
});

test('file: the same file again is answered with the earlier judgement, other content is refused', () => {
  const state = emptyState();
  const file = [header(), card(), 'T,1,0,0,PEN=-500,'];
  const first = judge(file, state);
  assert.equal(judge(file, state), first);
  assert.equal(judge([header(), 'T,0,0,0,,'], state).refusal?.code, 'file_id_reused');
});

test('file: a mock is judged in full and changes nothing', () => {
  const state = loadedState();
  const before = structuredClone(state);
  const rows = [card({ version: '2' }), other(), card({ version: '1' })];
  const changes = { kind: 'mock', file_id: 'mock-1', sequence: '0' };
  assert.deepEqual(judgeRows(rows, state, changes), ['updated', 'migrated', 'stale_version']);
  assert.deepEqual(state, before);
});

const onEmptyCell: [why: string, rows: string[], outcomes: string[]][] = [
  ['a card of every kind of line', [token(), hold(), card()], ['migrated', 'migrated', 'migrated']],
  ['an empty line', [''], ['wrong_field_count']],
  ['broken quoting', [card().replace('"Jr.', 'x"Jr.')], ['wrong_field_count']],
  ['a carriage return in a field', [card({ city: 'Li\rma' })], ['invalid_field city']],
  ['the first invalid field counts', [card({ expiry: '2913', version: '0' })], ['invalid_field version']],
  ['leading zeros', [card({ version: '01', posted_minor: '-000500' })], ['migrated']],
  [
    '2^53 - 1 and one more',
    [card({ posted_minor: '9007199254740991' }), other({ posted_minor: '-9007199254740992' })],
    ['migrated', 'invalid_field posted_minor'],
  ],
  [
    '26 and 27 characters of 4 bytes',
    [card({ embossed_name: '𝔸'.repeat(26) }), other({ embossed_name: '𝔸'.repeat(27) })],
    ['migrated', 'invalid_field embossed_name'],
  ],
  [
    'a leap day',
    [card({ birth_date: '2000-02-29' }), other({ birth_date: '1900-02-29' })],
    ['migrated', 'invalid_field birth_date'],
  ],
  [
    'born today and tomorrow',
    [card({ birth_date: '2026-11-21' }), other({ birth_date: '2026-11-22' })],
    ['migrated', 'invalid_field birth_date'],
  ],
  ['a limit without credit', [card({ account_type: 'debit' })], ['invalid_field credit_limit_minor']],
  ['an undeclared BIN', [card({ pan: '4000000010003020' })], ['bin_not_declared']],
  [
    'a duplicate',
    [card(), card({ city: 'Cusco' }), hold(), hold()],
    ['migrated', 'duplicate_row', 'migrated', 'duplicate_row'],
  ],
  [
    'a rejected line reserves nothing',
    [card({ expiry: '' }), card(), other()],
    ['invalid_field expiry', 'migrated', 'migrated'],
  ],
  [
    'two versions',
    [card(), card({ version: '2' }), card({ version: '3' }), card({ version: '1', city: '' })],
    ['migrated', 'updated', 'updated', 'duplicate_row'],
  ],
  [
    'a lower version after a higher',
    [card({ version: '3' }), card({ version: '2' })],
    ['migrated', 'stale_version'],
  ],
  [
    'a shared account',
    [card(), other({ external_account_id: 'acct-1', posted_minor: '-0500' })],
    ['migrated', 'migrated'],
  ],
  [
    'another balance of a shared account',
    [card(), other({ external_account_id: 'acct-1', posted_minor: '1' })],
    ['migrated', 'account_conflict'],
  ],
  ['a PAN of another card', [card(), other({ pan: '4509170000000009' })], ['migrated', 'pan_conflict']],
  ['a status for an unknown card', [card({ operation: 'status' })], ['unknown_card']],
  [
    'a status before its card',
    [card({ operation: 'close', version: '2' }), card()],
    ['unknown_card', 'migrated'],
  ],
  ['a status after its card', [card(), card({ operation: 'status', version: '2' })], ['migrated', 'updated']],
  ['an unknown card', [hold(), token()], ['unknown_card', 'unknown_card']],
  ['another currency', [card(), hold({ currency: 'USD' })], ['migrated', 'currency_mismatch']],
  [
    'a hold in the currency of the account its card moves to',
    [
      card(),
      hold({ currency: 'USD' }),
      card({ version: '2', external_account_id: 'acct-2', currency: 'USD' }),
    ],
    ['migrated', 'migrated', 'updated'],
  ],
];

for (const [why, rows, outcomes] of onEmptyCell) {
  test(`row, empty cell: ${why}`, () => assert.deepEqual(judgeRows(rows), outcomes));
}

const onLoadedCell: [why: string, rows: string[], outcomes: string[]][] = [
  ['the same lines again', [card(), hold(), token()], ['unchanged', 'unchanged', 'unchanged']],
  [
    'changed lines',
    [card({ version: '2' }), hold({ stan: '000000' }), token({ status: 'deleted' })],
    ['updated', 'updated', 'updated'],
  ],
  ['the same version with other content', [card({ city: 'Cusco' })], ['version_conflict']],
  ['another balance', [card({ version: '2', posted_minor: '7', credit_limit_minor: '8' })], ['updated']],
  [
    'another account type',
    [card({ version: '2', account_type: 'debit', credit_limit_minor: '0' })],
    ['account_conflict'],
  ],
  ['another currency', [card({ version: '2', currency: 'USD' })], ['account_conflict']],
  [
    'an earlier PAN of the card still is its own',
    [card({ version: '2', pan: '5105100000000043' }), other({ pan: '4509170000000009' })],
    ['updated', 'pan_conflict'],
  ],
];

for (const [why, rows, outcomes] of onLoadedCell) {
  test(`row, loaded cell: ${why}`, () => assert.deepEqual(judgeRows(rows, loadedState(), delta), outcomes));
}

test('bytes that are no UTF-8 spoil their line alone, and its sums still count', () => {
  const bad = Buffer.from(
    card({ given_names: 'Mar\u00eda', family_names: 'X', address_line: '', embossed_name: '' }),
    'latin1',
  );
  const text = Buffer.concat([
    Buffer.from(header() + '\n'),
    bad,
    Buffer.from(`\n${other()}\nT,2,0,0,PEN=-1000,\n`),
  ]);
  const { refusal, byLine } = judgePortfolio(text, emptyState(), cell);
  assert.equal(refusal, null);
  assert.deepEqual(byLine, [
    { line: 2, recordType: 'C', externalId: 'card-1', outcome: 'rejected', code: 'bad_encoding' },
    { line: 3, recordType: 'C', externalId: 'card-2', outcome: 'migrated' },
  ]);
});

test('status and close change the status, the reason and the account; the card keeps its other fields', () => {
  const state = loadedState();
  const sent = { version: '2', pan: '5105100000000043', external_account_id: 'acct-9', status_reason: 'why' };
  assert.deepEqual(judgeRows([card({ ...sent, operation: 'close' })], state, delta), ['updated']);
  const { version, status, statusReason, pan, accountId } = state.cards.get('card-1') ?? assert.fail();
  assert.deepEqual([version, status, statusReason], [2n, 'closed', 'why']);
  assert.deepEqual([pan, accountId], [goodCard.pan, goodCard.external_account_id]);
  assert.equal(state.accounts.get('acct-9')?.postedMinor, -500n);
});

test('any text of the right length survives quoting, and is unchanged when it is sent again', () => {
  const free = fc.string({ unit: 'binary', maxLength: 64 }).filter((value) => !/[\0\r\n]/.test(value));
  fc.assert(
    fc.property(free, free, (status_reason, city) => {
      const state = emptyState();
      assert.deepEqual(judgeRows([card({ status_reason, city })], state), ['migrated']);
      assert.deepEqual(judgeRows([card({ status_reason, city })], state, delta), ['unchanged']);
    }),
  );
});
