import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Undo } from './undo.ts';

const noting = (fails: string[] = []) => {
  const undo = new Undo();
  const taken: string[] = [];
  for (const what of ['file', 'roles', 'database'])
    undo.add(what, async () => {
      if (fails.includes(what)) throw new Error(what);
      taken.push(what);
    });
  return { undo, taken };
};

test('what was made last is taken back first', async () => {
  const { undo, taken } = noting();
  assert.deepEqual(await undo.run(), []);
  assert.deepEqual(taken, ['database', 'roles', 'file']);
  assert.deepEqual(await undo.run(), []);
});

test('what lies under something that could not be taken back stays, and is told', async () => {
  const { undo, taken } = noting(['roles']);
  assert.deepEqual(await undo.run(), ['roles', 'file']);
  assert.deepEqual(taken, ['database']);
});
