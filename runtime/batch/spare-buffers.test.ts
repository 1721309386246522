import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpareBuffers } from './spare-buffers.ts';

const KB = 1024;

test('a buffer that is given back is taken again, by whom it is large enough for', () => {
  const spare = new SpareBuffers({ kept: 2, bytesMax: 256 * KB });
  const small = spare.take(10);
  const large = spare.take(100 * KB);
  assert.ok(small.length >= 10);
  assert.ok(large.length >= 100 * KB);
  spare.giveBack(small);
  spare.giveBack(large);
  assert.equal(spare.take(100 * KB), large);
  assert.notEqual(spare.take(100 * KB), large, 'nobody has a buffer that another one has');
  assert.equal(spare.take(10), small);
});

test('what is kept is bounded, in number and in size', () => {
  const spare = new SpareBuffers({ kept: 2, bytesMax: 256 * KB });
  const huge = spare.take(300 * KB);
  spare.giveBack(huge);
  assert.notEqual(spare.take(300 * KB), huge);
  const three = [1, 2, 3].map(() => spare.take(10));
  for (const buffer of three) spare.giveBack(buffer);
  const again = [1, 2, 3].map(() => spare.take(10));
  assert.equal(again.filter((buffer) => three.includes(buffer)).length, 2);
});
