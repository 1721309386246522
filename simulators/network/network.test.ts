import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { seed } from '#tools/testing/seed.ts';
import type { Portfolio } from '../portfolio/read-portfolio.ts';
import { sampleCards } from '../portfolio/sample.ts';
import { Book } from '../processor/book.ts';
import { Processor } from '../processor/processor.ts';
import { ProcessorServer, type ProcessorServerOptions } from '../processor/processor-server.ts';
import { compareBalances } from '../reckoning/compare.ts';
import { Reckoning } from '../reckoning/reckoning.ts';
import { type CardSet, cardSetOf } from './cards.ts';
import { DEFAULT_MIX, PLAIN_MIX } from './mix.ts';
import { Network, type NetworkOptions, type Pace } from './network.ts';

const portfolio = await sampleCards({ seed: seed % 1000, cards: 2000 });
const cards: CardSet = cardSetOf(portfolio);

interface Stage {
  readonly server: ProcessorServer;
  readonly network: Network;
  readonly reckoning: Reckoning;
  assertBooks(): void;
}

/** A network and a processor, connected; what happens between them is reckoned. */
async function stage(
  options: Partial<NetworkOptions>,
  play: (stage: Stage) => Promise<void>,
  its: { portfolio?: Portfolio; server?: Partial<ProcessorServerOptions> } = {},
): Promise<void> {
  const opening = its.portfolio ?? portfolio;
  const book = Book.of(opening);
  const server = await ProcessorServer.start({ processor: new Processor({ book }), ...its.server });
  const reckoning = new Reckoning(opening);
  const network = new Network({
    port: server.port,
    cards,
    seed,
    followAfterMs: [50, 600],
    onAnswered: (exchange) => reckoning.answered(exchange),
    onGivenUp: (exchange) => reckoning.givenUp(exchange),
    ...options,
  });
  try {
    await network.signOn();
    await play({
      server,
      network,
      reckoning,
      assertBooks() {
        const actual = [...book.accounts.values()].map(({ id, postedMinor, heldMinor }) => ({
          accountId: id,
          postedMinor,
          heldMinor,
        }));
        const { differences } = compareBalances(reckoning.expected(), actual, reckoning.unresolved());
        assert.deepEqual(differences, [], `SEED=${seed}`);
      },
    });
  } finally {
    await network.close();
    await server.close();
  }
}

/** Sends for a while, and answers the figures once everything has ended. */
async function send(network: Network, pace: Pace, ms: number, name = 'phase') {
  network.beginPhase(name);
  network.start(pace);
  await pause(ms);
  network.endPhase();
  await network.pause();
  return network.report().at(-1)!;
}

test('everything a network sends is answered, repeats alike, and the books are what was reckoned', () =>
  stage({ mix: { ...DEFAULT_MIX, repeat: 0.1, malformed: 0.01, reversalFirst: 0.02 } }, async (play) => {
    const report = await send(play.network, { rate: 500 }, 3000);
    assert(report.sent > 1000, `sent ${report.sent}`);
    assert.equal(report.answered, report.sent);
    assert.deepEqual([report.unanswered, report.open, report.overBudget], [0, 0, 0]);
    assert(report.repeats.sent > 50);
    assert.equal(report.repeats.identical, report.repeats.sent);
    assert.equal(report.approvedAfterReversal, 0);
    assert.equal(report.refusedAdvices, 0);
    for (const mti of ['0100', '0120', '0200', '0220', '0400']) assert(report.types[mti] > 0, `no ${mti}`);
    for (const code of ['12', '30', '51', '54', '57']) assert(report.declined[code] > 0, `no ${code}`);
    assert.equal(play.network.strays, 0);
    assert.equal(play.reckoning.unresolved().size, 0);
    play.assertBooks();
  }));

test('a closed loop keeps so many under way and no more', () =>
  stage({ connections: 2, mix: PLAIN_MIX }, async ({ network, server, assertBooks }) => {
    server.latency = { fixedMs: 20, jitterMs: 5 };
    const report = await send(network, { inFlight: 40 }, 1000);
    assert(report.answered > 500 && report.answered <= 40 * 51, `answered ${report.answered}`);
    assert.deepEqual(Object.keys(report.types), ['0100']);
    assert(report.latencyMs.p50 >= 20);
    assertBooks();
  }));

test('phases are told apart, and lengths may be ASCII', () =>
  stage(
    { framing: 'ascii' },
    async ({ network }) => {
      const first = await send(network, { rate: 200 }, 500, 'first');
      const second = await send(network, { rate: 1000 }, 500, 'second');
      assert.deepEqual([first.name, second.name], ['first', 'second']);
      assert(first.sent >= 50 && first.sent <= 130, `first sent ${first.sent}`);
      assert(second.sent >= 250 && second.sent <= 600, `second sent ${second.sent}`);
      assert.equal(first.answered + second.answered, first.sent + second.sent);
    },
    { server: { framing: 'ascii' } },
  ));

test('a mute processor is asked again; requests that stay silent are reversed, and nothing is left of them', () =>
  stage({ budgetMs: 100, repeatsMax: 1 }, async ({ network, server, reckoning, assertBooks }) => {
    network.beginPhase('mute');
    network.start({ rate: 300 });
    await pause(300);
    server.mute(700);
    await pause(1500);
    network.endPhase();
    await network.pause();
    const [report] = network.report();
    assert(report.unanswered > 20, `unanswered ${report.unanswered}`);
    assert.equal(report.answered + report.unanswered, report.sent);
    assert(report.types['0420'] >= report.unanswered);
    assert.equal(report.repeats.differing, 0);
    assert(report.longestGapMs > 500, `gap ${report.longestGapMs}`);
    assert.equal(reckoning.unresolved().size, 0);
    assertBooks();
  }));

test('a deaf one likewise', () =>
  stage({ budgetMs: 100, repeatsMax: 1 }, async ({ network, server, assertBooks }) => {
    network.start({ rate: 300 });
    await pause(200);
    server.deaf(500);
    await pause(1200);
    await network.pause();
    assertBooks();
  }));

test('cut connections come up again, and what was lost on them is repeated', () =>
  stage({ budgetMs: 150, repeatsMax: 5 }, async ({ network, server, assertBooks }) => {
    network.beginPhase('cuts');
    network.start({ rate: 500 });
    for (let i = 0; i < 4; i++) {
      await pause(200);
      network.cutConnections(2);
      if (i === 2) await server.refuse(150);
    }
    await pause(500);
    network.endPhase();
    await network.pause();
    const [report] = network.report();
    assert.equal(report.answered, report.sent);
    assert.equal(report.repeats.differing, 0);
    assertBooks();
  }));

test('a slow processor shows in the answer times, measured from when messages were due', () =>
  stage({}, async ({ network, server }) => {
    server.slow(10_000, { fixedMs: 60, jitterMs: 20 });
    const { latencyMs } = await send(network, { rate: 200 }, 600);
    assert(latencyMs.p50 >= 60 && latencyMs.max >= latencyMs.p99, JSON.stringify(latencyMs));
  }));

test('nobody there is told as a refusal', async () => {
  const server = createServer((socket) => socket.resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const network = new Network({ port, cards, seed, signOnMs: 300 });
  await assert.rejects(network.signOn(), { code: 'no_sign_on' });
  server.close();
});
