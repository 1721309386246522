import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driftedPages } from './generate-docs.ts';

test('the references say what the code says: npm run docs', async () => {
  assert.deepEqual(await driftedPages(), []);
});
