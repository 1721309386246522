import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { FIELDS_MAX } from './records.ts';
import { Fields, LINE_BYTES_MAX, splitLine } from './split-line.ts';
import { fieldsOf } from './test-lines.ts';

function texts(fields: Fields): string[] {
  return Array.from({ length: Math.min(fields.count, FIELDS_MAX) }, (_, i) => fields.text(i));
}

const readable: [line: string, type: string, fields: string[]][] = [
  ['C,a,b', 'C', ['C', 'a', 'b']],
  ['', '?', ['']],
  [',', '?', ['', '']],
  ['O,', 'O', ['O', '']],
  ['"W",x', 'W', ['W', 'x']],
  ['T,"a,b",c', 'T', ['T', 'a,b', 'c']],
  ['H,""', 'H', ['H', '']],
  ['C,"say ""hi""",z', 'C', ['C', 'say "hi"', 'z']],
  ['C,"""",""""""', 'C', ['C', '"', '""']],
  ['C, a ,b ', 'C', ['C', ' a ', 'b ']],
  ['c,a', '?', ['c', 'a']],
  ['CC,a', '?', ['CC', 'a']],
  ['C,ñ,"ñ""ñ"', 'C', ['C', 'ñ', 'ñ"ñ']],
];

test('a line is split by RFC 4180', () => {
  for (const [line, type, expected] of readable) {
    const fields = fieldsOf(line);
    assert.equal(fields.fault, 'none', line);
    assert.equal(fields.type, type, line);
    assert.deepEqual(texts(fields), expected, line);
  }
});

const unreadable: [line: string, type: string, fieldsBefore: number][] = [
  ['C,card-1,a"b', 'C', 2],
  ['C,card-1,"ab"c', 'C', 2],
  ['C,card-1,"ab" ,c', 'C', 2],
  ['C,card-1, "ab",c', 'C', 2],
  ['C,card-1,"ab', 'C', 2],
  ['C,card-1,"', 'C', 2],
  ['C,card-1,"ab""', 'C', 2],
  ['O,"x""y",z"', 'O', 2],
  ['"C,card-1', '?', 0],
  ['C",card-1', '?', 0],
  ['"C"x,card-1', '?', 0],
];

test('of a line with broken quoting, what stands before the fault can be read', () => {
  for (const [line, type, fieldsBefore] of unreadable) {
    const fields = fieldsOf(line);
    assert.equal(fields.fault, 'quoting', line);
    assert.equal(fields.type, type, line);
    assert.equal(fields.count, fieldsBefore, line);
  }
});

test('fields are counted beyond those with positions', () => {
  assert.equal(fieldsOf(`C${',x'.repeat(FIELDS_MAX)}`).count, FIELDS_MAX + 1);
  assert.equal(fieldsOf(`C${',"x""y"'.repeat(500)}`).count, 501);
});

test('a line may have the longest length and not a byte more', () => {
  const longest = `C,card-1,${'x'.repeat(LINE_BYTES_MAX - 9)}`;
  assert.equal(fieldsOf(longest).fault, 'none');
  const longer = fieldsOf(`${longest}x`);
  assert.equal(longer.fault, 'too_long');
  assert.equal(longer.type, 'C');
  assert.equal(longer.text(1), 'card-1');
});

test('line breaks and NUL are noticed in every kind of field', () => {
  for (const line of ['C,a\rb', 'C,"a\rb"', 'C,a\0b', 'C,"\0"', 'C,"""\n"']) {
    assert.equal(fieldsOf(line).hasBreaks, true, JSON.stringify(line));
  }
  assert.equal(fieldsOf('C,a\tb').hasBreaks, false);
});

test('one object serves line after line and leaves the bytes alone', () => {
  const bytes = Buffer.from('C,"a""b",c|O,"d""e"');
  const before = Buffer.from(bytes);
  const fields = new Fields();
  splitLine(bytes, 0, 10, fields);
  assert.deepEqual(texts(fields), ['C', 'a"b', 'c']);
  splitLine(bytes, 11, bytes.length, fields);
  assert.deepEqual(texts(fields), ['O', 'd"e']);
  splitLine(bytes, 9, 10, fields);
  assert.equal(fields.source, bytes);
  assert.deepEqual(bytes, before);
});

/**
 * csv-parse is strict by default and agrees with us on all but three things: it has no record for an empty
 * input, where we see one empty field; it ends records at line breaks, which a line does not contain; and it
 * takes a NUL after a closing quote for the end of the input, so the test has no NUL.
 */
function reference(line: Buffer): string[] | 'broken' {
  try {
    const records = parse(line, {
      encoding: 'latin1',
      record_delimiter: '\n',
      relax_column_count: true,
    }) as string[][];
    return records[0] ?? [''];
  } catch {
    return 'broken';
  }
}

test('csv-parse splits any bytes alike', () => {
  const byte = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...Buffer.from('",",",CO"')) },
    { weight: 2, arbitrary: fc.constantFrom(...Buffer.from('ab \rñ')) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  );
  const line = fc
    .array(byte, { maxLength: 40, size: 'max' })
    .map((bytes) => Buffer.from(bytes.filter((value) => value !== 0x0a && value !== 0)));
  const seen = { ok: 0, broken: 0 };
  const fields = new Fields();
  fc.assert(
    fc.property(line, fc.nat(5), (bytes, margin) => {
      const padded = Buffer.concat([Buffer.alloc(margin, '"'), bytes, Buffer.alloc(margin, '"')]);
      const result = splitLine(padded, margin, margin + bytes.length, fields);
      seen[result]++;
      const expected = reference(bytes);
      if (expected === 'broken') return assert.equal(result, 'broken');
      assert.equal(result, 'ok');
      assert.equal(fields.count, expected.length);
      for (let i = 0; i < Math.min(fields.count, FIELDS_MAX); i++) {
        assert.equal(fields.source.toString('latin1', fields.start[i], fields.end[i]), expected[i]);
      }
    }),
    { numRuns: 20_000 },
  );
  assert.ok(seen.ok > 1_000 && seen.broken > 1_000, 'both outcomes are exercised');
});
