import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { request } from 'node:http';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JWK } from 'jose';
import { cellText } from '#delivery/cells/cell-name.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { testCell } from '#tools/testing/cell.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { until } from '#tools/testing/until.ts';
import { CellProcesses, type WakingTimes } from './cell-processes.ts';
import { Spares } from './spares.ts';

const cell = await testCell();
const { server } = await testServer();
const name = cellText(cell.name);

/** What the process answers to somebody whom nobody vouches for: it serves. */
const isServing = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    request({ socketPath, path: '/healthz', agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    })
      .on('error', () => resolve(false))
      .end();
  });

suite('the processes of cells', () => {
  const awake: { cell: string; took: WakingTimes }[] = [];
  const resting: string[] = [];
  let left = Promise.resolve();
  const processes = new CellProcesses({
    server,
    home: cell.opened.home,
    settings: readAllSettings({}),
    gatewayKey: generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) as JWK,
    log: 2,
    spares: 1,
    termsOf: () => ({ issuer: 'https://production.quipu.localhost:8443', idleSeconds: 1 }),
    onAwake: (cell, took) => awake.push({ cell, took }),
    onResting: (cell) => {
      resting.push(cell);
      return left;
    },
  });
  atEnd(() => processes.stop());

  test('one that nobody asks rests, and the next request wakes another', async () => {
    const first = await processes.reach(name);
    assert.ok(await isServing(first));
    assert.equal(await processes.reach(name), first, 'one is enough');
    await until('it rests', () => resting.length === 1);
    assert.equal(processes.awake, 0);
    const second = await processes.reach(name);
    assert.notEqual(second, first);
    assert.ok(await isServing(second));
    assert.deepEqual(
      awake.map(({ cell }) => cell),
      [name, name],
    );
    const [cold] = awake;
    assert.ok(cold.took.ms >= cold.took.serveMs && cold.took.serveMs > 0);
  });

  test('one that rests serves on until nobody is on the way to it', async () => {
    const allLeft = Promise.withResolvers<void>();
    left = allLeft.promise;
    const first = await processes.reach(name);
    const before = resting.length;
    await until('it rests', () => resting.length > before);
    const second = await processes.reach(name);
    assert.notEqual(second, first);
    await sleep(500);
    assert.ok(await isServing(first), 'somebody may still ask it');
    allLeft.resolve();
    await until('it has ended', async () => !(await isServing(first)));
    assert.ok(await isServing(second));
  });

  test('a cell without a file is refused, and leaves the spare process to others', async () => {
    await assert.rejects(processes.reach('nobody/production'), { code: 'cell_unavailable' });
    assert.ok(await isServing(await processes.reach(name)));
  });
});

suite('spare processes', () => {
  test('the one that waits is taken, once', async () => {
    const spares = new Spares(2, 1);
    spares.refill();
    spares.refill();
    const [first, second] = [spares.take(), spares.take()];
    assert.notEqual(first, second);
    await Promise.all([first.letGo(), second.letGo(), spares.stop()]);
  });

  test('as many wait as were asked for, one loading after the other, and those that are ready go first', async () => {
    const spares = new Spares(2, 2);
    spares.refill();
    // Loading is the work of a core for a second or two, and of a busy machine for many.
    await until('both have loaded', () => spares.ready === 2, 240_000);
    spares.refill();
    assert.equal(spares.ready, 2);
    const [first, second, third] = [spares.take(), spares.take(), spares.take()];
    assert.equal(spares.ready, 0);
    await Promise.all([first.ready, second.ready]);
    assert.equal(new Set([first, second, third]).size, 3);
    await Promise.all([first.letGo(), second.letGo(), third.letGo(), spares.stop()]);
  });

  test('one that ended while it waited is not handed out', async () => {
    const spares = new Spares(2, 1);
    spares.refill();
    const lost = spares.take();
    await lost.letGo();
    assert.equal(lost.isGone, true);
    spares.refill();
    const next = spares.take();
    assert.equal(next.isGone, false);
    await Promise.all([next.letGo(), spares.stop()]);
  });

  test('none is started when everything stops', async () => {
    const spares = new Spares(2, 1);
    spares.refill();
    await spares.stop();
    spares.refill();
    await spares.stop();
  });
});
