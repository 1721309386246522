import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message } from '#runtime/iso8583/message.ts';
import { aRequest } from '../decision/test-facts.ts';
import { noSecurityModule, NOT_CHECKED, type SecurityModule, verifySecurity } from './security-module.ts';

const PIN = '0123456789ABCDEF';
const CHIP = '9F2608A1B2C3D4E5F60718';
const message = (fields: Readonly<Record<number, string>>) => {
  const made = new Message('0100');
  for (const [field, value] of Object.entries(fields)) made.set(Number(field), value);
  return made;
};

/** A module that remembers, for this test alone, what it was handed. */
function moduleSaying(pin: 'ok' | 'wrong', chip: 'ok' | 'wrong') {
  const handed: string[] = [];
  const module: SecurityModule = {
    verifyPin: async ({ cardId, pinBlock, control }) => {
      handed.push(`${cardId} pin ${pinBlock} ${control}`);
      return pin;
    },
    verifyChip: async ({ cardId, chipData, panSequence }) => {
      handed.push(`${cardId} chip ${chipData} ${panSequence}`);
      return chip;
    },
  };
  return { module, handed };
}

test('PIN block and chip data are handed over as they came, and the verdict comes back', async () => {
  const { module, handed } = moduleSaying('wrong', 'ok');
  const sent = message({ 23: '001', 52: PIN, 53: '2001010100000000', 55: CHIP });
  assert.deepEqual(await verifySecurity(module, sent, aRequest(), 'card-1'), { pin: 'wrong', chip: 'ok' });
  assert.deepEqual(handed, [`card-1 pin ${PIN} 2001010100000000`, `card-1 chip ${CHIP} 001`]);
});

test('what did not come is not checked', async () => {
  const { module, handed } = moduleSaying('ok', 'ok');
  assert.deepEqual(await verifySecurity(module, message({}), aRequest(), 'card-1'), NOT_CHECKED);
  assert.deepEqual(await verifySecurity(module, message({ 55: CHIP }), aRequest(), 'card-1'), {
    pin: 'not_checked',
    chip: 'ok',
  });
  assert.deepEqual(handed, [`card-1 chip ${CHIP} undefined`]);
});

test('without a module nothing is checked', async () => {
  const sent = message({ 52: PIN, 55: CHIP });
  assert.deepEqual(await verifySecurity(noSecurityModule, sent, aRequest(), 'card-1'), NOT_CHECKED);
  const check = { cardId: 'card-1', pan: aRequest().pan };
  assert.equal(
    await noSecurityModule.verifyPin({ ...check, pinBlock: PIN, control: undefined }),
    'not_checked',
  );
  assert.equal(
    await noSecurityModule.verifyChip({ ...check, chipData: CHIP, panSequence: undefined }),
    'not_checked',
  );
});
