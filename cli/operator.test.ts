import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import { Refusal } from '#runtime/refusal.ts';
import { operatorName } from './operator.ts';

test('the operator is who the command names, else the setting, else the login', () => {
  assert.equal(operatorName({ RELEVO_OPERATOR: 'ana.quispe' }, 'luis.rojas'), 'luis.rojas');
  assert.equal(operatorName({ RELEVO_OPERATOR: 'ana.quispe' }), 'ana.quispe');
  assert.equal(operatorName({ RELEVO_OPERATOR: null }), userInfo().username);
  for (const name of ['José Núñez', 'a', 'team_2@andina.example', 'DOMAIN\\ana'])
    assert.equal(operatorName({ RELEVO_OPERATOR: name }), name);
});

test('what cannot be a name is refused, and not repeated', () => {
  for (const name of [
    '',
    ' ana',
    'ana\nluis',
    '-x',
    'a'.repeat(65),
    '4509170000000009',
    'card 4509170000000009',
  ])
    assert.throws(
      () => operatorName({ RELEVO_OPERATOR: null }, name),
      (error) => {
        assert.ok(error instanceof Refusal);
        assert.equal(error.code, 'bad_operator');
        assert.doesNotMatch(error.message, /4509|luis|aaa/);
        return true;
      },
    );
});
