import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SpentTimes } from './spent-times.ts';

test('calls are timed under their name, whether they succeed or fail, and answer as before', async () => {
  const times = new SpentTimes();
  const service = times.around('service', {
    name: 'plain values pass through',
    async double(value: number) {
      await sleep(20);
      return value * 2;
    },
    async fail() {
      await sleep(20);
      throw new Error('as it should');
    },
  });
  assert.equal(await service.double(4), 8);
  await assert.rejects(service.fail(), /as it should/);
  assert.equal(service.name, 'plain values pass through');
  assert.ok(times.seconds['service'] >= 0.038, `${times.seconds['service']} s`);
});

test('a call that does not wait is timed as well', () => {
  const times = new SpentTimes();
  const until = performance.now() + 5;
  const answer = times.during('spin', () => {
    while (performance.now() < until);
    return 'done';
  });
  assert.equal(answer, 'done');
  assert.ok(times.seconds['spin'] >= 0.004);
});
