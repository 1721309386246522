import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeader } from './header.ts';
import { csv, fieldsOf, goodHeader } from './test-lines.ts';

type Values = Partial<typeof goodHeader>;
const read = (line: string, isUtf8 = true) => readHeader(fieldsOf(line), isUtf8);
const readWith = (values: Values) => read(csv({ ...goodHeader, ...values }));

test('a header is read', () => {
  assert.deepEqual(readWith({}), {
    refusal: null,
    header: {
      fileId: 'andina-full-001',
      tenant: 'andina',
      environment: 'production',
      kind: 'full',
      sequence: 1,
      source: 'old-processor',
      createdAt: '2026-11-20T06:00:00Z',
      binRanges: ['45091700', '510510'],
    },
  });
});

test('every field follows its rule', () => {
  const cases: { [field in keyof typeof goodHeader]?: { good: string[]; bad: string[] } } = {
    file_id: { good: ['a', 'A.b_-9', 'x'.repeat(64)], bad: ['', 'a b', 'x'.repeat(65)] },
    // Any name may be sent; whether it is the cell's is for the cell to say.
    tenant: { good: ['a', 'Andina S.A.', 'x'.repeat(300)], bad: ['', 'a\rb', 'a\0'] },
    environment: { good: ['demo', 'staging', 'production'], bad: ['', 'test', 'Production'] },
    kind: { good: ['full', 'delta'], bad: ['', 'partial'] },
    sequence: { good: ['1', '9007199254740991'], bad: ['', '0', '-1', '1.0', '9007199254740992'] },
    source: { good: ['a', 'a-9', 'x'.repeat(32)], bad: ['', 'A', 'a.b', 'x'.repeat(33)] },
    created_at: { good: ['2024-02-29T23:59:59Z'], bad: ['', '2026-11-20', '2026-11-20T24:00:00Z'] },
    bin_ranges: {
      good: ['450917', '4509170', '45091700', '000000', '450917;450917;5105100'],
      bad: [
        '',
        '45091',
        '450917001',
        '450917;',
        ';450917',
        '450917;;510510',
        '450917,510510',
        '45091x',
        '450917 ',
      ],
    },
  };
  for (const [field, { good, bad }] of Object.entries(cases)) {
    for (const value of good) assert.equal(readWith({ [field]: value }).refusal, null, `${field}: ${value}`);
    for (const value of bad) {
      const { refusal } = readWith({ [field]: value });
      assert.equal(refusal?.code, 'bad_header', `${field}: ${value}`);
      assert.equal(refusal.code === 'bad_header' && refusal.field, field);
    }
  }
});

test('a mock file carries 0, no other file does', () => {
  const outcome = (kind: string, sequence: string) => readWith({ kind, sequence }).refusal?.code ?? 'ok';
  assert.equal(outcome('mock', '0'), 'ok');
  assert.equal(outcome('mock', '1'), 'bad_header');
  assert.equal(outcome('full', '0'), 'bad_header');
  assert.equal(outcome('delta', '2'), 'ok');
});

test('another version is unsupported, a broken header is bad, and bad comes first', () => {
  const ten = csv(goodHeader);
  const cases: [name: string, line: string, code: string][] = [
    ['version 2, all else right', csv({ ...goodHeader, format_version: '2' }), 'unsupported_version'],
    ['version 01', csv({ ...goodHeader, format_version: '01' }), 'unsupported_version'],
    ['a version that is no number', csv({ ...goodHeader, format_version: 'x' }), 'unsupported_version'],
    ['version 2 and a wrong field', csv({ ...goodHeader, format_version: '2', kind: 'x' }), 'bad_header'],
    [
      'version 2 with another field count',
      `${csv({ ...goodHeader, format_version: '2' })},new`,
      'unsupported_version',
    ],
    ['version 3 alone', 'H,3', 'unsupported_version'],
    ['version 1 with another field count', `${ten},`, 'bad_header'],
    ['no version', 'H', 'bad_header'],
    ['a word for a version', 'H,two', 'bad_header'],
    ['broken quoting', `${csv({ ...goodHeader, format_version: '2' })}"`, 'bad_header'],
    ['another record type', csv({ ...goodHeader, record_type: 'C' }), 'bad_header'],
    ['a byte-order mark', `\uFEFF${ten}`, 'bad_header'],
    ['an empty line', '', 'bad_header'],
  ];
  for (const [name, line, code] of cases) assert.equal(read(line).refusal?.code, code, name);
  assert.equal(read(ten, false).refusal?.code, 'bad_header', 'not UTF-8');
});
