import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeOf, precedence } from '../decision/precedence.ts';
import { isApproval } from './request.ts';
import { codeOf, type Reason, reasons, responseCodes, responseText } from './response-codes.ts';

test('every code is two digits with a text, every reason a sentence with a code of the table', () => {
  for (const [code, text] of Object.entries(responseCodes)) {
    assert.match(code, /^\d\d$/);
    assert.ok(text.length > 3);
  }
  for (const [reason, { code, text }] of Object.entries(reasons)) {
    assert.match(reason, /^[a-z_]+$/);
    assert.ok(code in responseCodes);
    assert.match(text, /^[A-Z].*\.$/);
  }
});

test('reasons outside the order of precedence come after it', () => {
  const outside: Reason[] = [
    'malformed',
    'other_content',
    'reversed_ahead',
    'nobody_could_decide',
    'unknown_account',
    'failed',
  ];
  assert.deepEqual(
    outside.map((reason) => [codeOf(reason), placeOf(reason)]),
    ['30', '94', '12', '91', '96', '96'].map((code) => [code, precedence.length]),
  );
  assert.deepEqual(
    [...precedence.map(({ reason }) => reason), ...outside].sort(),
    Object.keys(reasons).sort(),
  );
});

test('only promises of money are approvals', () => {
  assert.deepEqual(Object.keys(responseCodes).filter(isApproval).sort(), ['00', '08', '10', '11', '85']);
  assert.equal(isApproval(''), false);
  assert.equal(responseText('51'), 'Not sufficient funds');
  assert.match(responseText('Q1'), /without a common meaning/);
});
