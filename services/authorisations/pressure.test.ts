import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { beat } from './store/peers.ts';
import { pressure } from './pressure.ts';

const heartbeat = (process: string, answered: number, p99Ms: number | null) => ({
  process,
  networkSignedOn: true,
  processorUp: {},
  answered,
  unrecorded: 0,
  p99Ms,
});

test('pressure is what the serving processes tell by their heartbeats', async (t) => {
  const cell = await testCell(t);
  const ask = pressure(cell.admin);
  const begun = Date.now();
  /** A heartbeat of so many seconds from now, which lie behind us or just before us. */
  async function beats(process: string, inSeconds: number, answered: number, p99Ms: number | null) {
    await beat(cell.admin, heartbeat(process, answered, p99Ms));
    await cell.admin.run`
      update authorisations.peers set seen_at = ${new Date(begun + inSeconds * 1000)} where process = ${process}`;
  }

  assert.deepEqual(await ask(), { messagesPerSecond: 0, p99Ms: null }, 'nobody serves');
  await beats('a', 100, 5_000, null);
  assert.deepEqual(await ask(), { messagesPerSecond: 0, p99Ms: null }, 'nothing was answered of late');
  await beats('b', 100, 70, 9);
  assert.deepEqual(await ask(), { messagesPerSecond: 1, p99Ms: 9 }, 'some, but who knows how many');
  await beats('a', 101, 6_000, 4);
  await beats('b', 102, 1_070, 12);
  assert.deepEqual(await ask(), { messagesPerSecond: 1_500, p99Ms: 12 }, 'both together, and the slower one');
  assert.deepEqual(await ask(), { messagesPerSecond: 1_500, p99Ms: 12 }, 'neither has beaten since');
  await beats('b', -6, 2_070, 12);
  assert.deepEqual(await ask(), { messagesPerSecond: 1_000, p99Ms: 4 }, 'who is silent for longer has ended');
  await beats('a', 102, 6_000, 4);
  assert.deepEqual(await ask(), { messagesPerSecond: 0, p99Ms: 4 }, 'all is quiet again');
});
