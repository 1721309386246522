import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Measured } from '../meter/meter.ts';
import { flatness, type Growth } from './growth.ts';
import { verdictLine, verdictOn } from './verdict.ts';

const MB = 1024 * 1024;
const run = (seconds: number, nodeMb: number | null): Measured => ({
  seconds,
  nodeCpuSeconds: 1,
  postgresCpuSeconds: 1,
  nodeRssBytesMax: nodeMb === null ? null : nodeMb * MB,
  nodePssBytesMax: nodeMb === null ? null : nodeMb * MB,
  postgresPssBytesMax: null,
  walBytes: 1,
});
const lane = (...runs: Measured[]) => ({
  runs,
  cardsPerSecond: runs.map(({ seconds }) => 1_000_000 / seconds),
});
const size = (cards: number, mb: number): Growth => {
  const same = (value: number) => ({ median: value, min: value, max: value });
  return { cards, seconds: same(1), cardsPerSecond: same(cards), nodeRssBytesMax: same(mb * MB) };
};

test('speed is judged by the median run, memory by the worst one', () => {
  const relevo = lane(run(39, 300), run(38, 390), run(60, 350));
  const verdict = verdictOn({ cards: 1_000_000, cores: 2, relevo, growth: [] });
  assert.equal(verdict.fastEnough, true);
  assert.equal(verdict.smallEnough, true);
  assert.equal(verdict.nodeBytesMax, 390 * MB);
  assert.doesNotMatch(verdictLine(verdict), /MISSED|does not count/);
});

test('a goal that is missed is called so', () => {
  const relevo = lane(run(41, 401));
  const verdict = verdictOn({ cards: 1_000_000, cores: 2, relevo, growth: [] });
  assert.equal(verdictLine(verdict).match(/MISSED/g)?.length, 2);
});

test('a smaller file or a larger machine does not count, and what is not measured is not met', () => {
  const relevo = lane(run(1, null));
  assert.equal(verdictOn({ cards: 999_999, cores: 2, relevo, growth: [] }).counts, false);
  assert.equal(verdictOn({ cards: 1_000_000, cores: 8, relevo, growth: [] }).counts, false);
  assert.match(
    verdictLine(verdictOn({ cards: 1_000_000, cores: 2, relevo, growth: [] })),
    /not measured here/,
  );
});

test('memory is flat when ten times the cards cost about the same', () => {
  assert.equal(flatness([size(100_000, 300), size(1_000_000, 330)])?.isFlat, true);
  assert.equal(flatness([size(100_000, 300), size(1_000_000, 600)])?.isFlat, false);
  assert.equal(flatness([size(1_000, 100), size(10_000, 300)]), null, 'buffers are still filling');
});
