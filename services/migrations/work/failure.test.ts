import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '#runtime/refusal.ts';
import { codeOfGivingUp, faultOf } from './failure.ts';

const sqlState = (code: string) => Object.assign(new Error('in words of its own'), { code });

test('whose fault a failure is, by the code that PostgreSQL answers', () => {
  const faults: Record<string, string[]> = {
    row: ['22003', '23505', '23514', 'P0001'],
    dependency: [
      '08006',
      '40P01',
      '53100',
      '55P03',
      '57P01',
      'ECONNREFUSED',
      '42501',
      '42P01',
      '42703',
      '42883',
    ],
    defect: ['42601', '42702', '42804', '42P18'],
  };
  for (const [fault, codes] of Object.entries(faults))
    for (const code of codes) assert.equal(faultOf(sqlState(code)), fault, code);
  assert.equal(faultOf(new Error('no code')), 'dependency');
  assert.equal(faultOf(new Refusal('import_withdrawn', 'It is withdrawn.')), 'withdrawn');
});

test('a defect is given up at once, an outage at the last attempt, a withdrawn import never', () => {
  const [defect, outage] = [sqlState('42601'), sqlState('57P01')];
  assert.equal(codeOfGivingUp(defect, false), 'statement_defective');
  assert.equal(codeOfGivingUp(outage, false), null);
  assert.equal(codeOfGivingUp(outage, true), 'dependency_unavailable');
  assert.equal(codeOfGivingUp(new Refusal('import_withdrawn', 'It is withdrawn.'), true), null);
});
