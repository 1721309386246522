import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BATCH_MAX, Lane, type Tools } from './lane.ts';
import type { Step, Task } from './task.ts';

/** When a lane begins a batch, and what belongs to it. Time passes as the test says. */
function stage(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const batches: Task[][] = [];
  const ends: (() => void)[] = [];
  let now = 0;
  const work = (_: Lane, batch: Task[]) => {
    batches.push(batch);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const lane = new Lane({} as Tools, work, () => now);
  const pass = async (ms: number) => {
    now += ms;
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  };
  return {
    lane,
    pass,
    add: (messages: number, step: Step = 'arrived') => {
      for (let i = 0; i < messages; i++) lane.add({ step } as Task);
    },
    endBatch: async () => {
      ends.shift()!();
      await pass(0);
    },
    sizes: () => batches.map((batch) => batch.length),
  };
}

test('a message after a silence is worked at once', async (t) => {
  const { add, pass, endBatch, sizes } = stage(t);
  add(1);
  await pass(0);
  assert.deepEqual(sizes(), [1]);
  await endBatch();
  await pass(10);
  add(1);
  await pass(0);
  assert.deepEqual(sizes(), [1, 1]);
});

test('while messages keep coming, a batch waits three milliseconds for more of them', async (t) => {
  const { add, pass, endBatch, sizes, lane } = stage(t);
  add(1);
  await pass(0);
  add(2);
  await endBatch();
  await pass(2);
  add(3);
  assert.equal(lane.size, 5);
  assert.deepEqual(sizes(), [1]);
  await pass(1);
  assert.deepEqual(sizes(), [1, 5]);
  await endBatch();
  await pass(9);
  add(1);
  await pass(0);
  await pass(2);
  assert.deepEqual(sizes(), [1, 5], 'the silence was too short');
  await pass(1);
  assert.deepEqual(sizes(), [1, 5, 1]);
});

test('it waits no longer when there are enough, and takes no more than fit', async (t) => {
  const { add, pass, endBatch, sizes } = stage(t);
  add(1);
  await pass(0);
  await endBatch();
  add(63);
  await pass(0);
  assert.deepEqual(sizes(), [1]);
  add(1);
  await pass(0);
  assert.deepEqual(sizes(), [1, 64]);
  add(BATCH_MAX + 64);
  await endBatch();
  assert.deepEqual(sizes(), [1, 64, BATCH_MAX]);
  await endBatch();
  assert.deepEqual(sizes(), [1, 64, BATCH_MAX, 64]);
});

test('what is taken out while a batch gathers is not worked, and the lane goes on', async (t) => {
  const { add, pass, endBatch, sizes, lane } = stage(t);
  add(1);
  await pass(0);
  await endBatch();
  add(2);
  await pass(1);
  assert.equal(lane.take(() => true).length, 2);
  await pass(2);
  assert.deepEqual(sizes(), [1]);
  add(1);
  await pass(3);
  assert.deepEqual(sizes(), [1, 1]);
});

test('messages of different steps are in batches of their own, answered ones first', async (t) => {
  const { add, pass, endBatch, sizes } = stage(t);
  add(4, 'arrived');
  add(2, 'silent');
  add(3, 'answered');
  await pass(0);
  await endBatch();
  await pass(3);
  await endBatch();
  await pass(3);
  assert.deepEqual(sizes(), [3, 2, 4]);
});
