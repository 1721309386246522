import { setTimeout as pause } from 'node:timers/promises';
import { cardSetOf } from '#simulators/network/cards.ts';
import type { Mix } from '#simulators/network/mix.ts';
import { Network, type Pace } from '#simulators/network/network.ts';
import { sampleCards, type SampleRequest } from '#simulators/portfolio/sample.ts';
import type { PhaseReport } from '#simulators/network/tally.ts';
import { type Measure, runAsContender } from '../lab/contender.ts';

/** The network of a benchmark, in a process of its own. */
export interface LoadOptions {
  readonly port: number;
  readonly cards: SampleRequest;
  readonly mix: Mix;
  readonly seed: number;
  readonly connections: number;
  readonly hotCards: number;
  /** What goes before the first stretch and counts nowhere. */
  readonly warmUp: Stretch;
  /** One after the other, without a pause between them. */
  readonly stretches: readonly Stretch[];
}

export interface Stretch {
  readonly name: string;
  readonly pace: Pace;
  readonly seconds: number;
}

/** A message that waits longer counts as unanswered here; none is repeated. */
const BUDGET_MS = 30_000;

async function load(options: LoadOptions, measure: Measure): Promise<PhaseReport[]> {
  const { port, cards, mix, seed, connections, hotCards, warmUp, stretches } = options;
  const set = cardSetOf(await sampleCards(cards));
  const network = new Network({
    port,
    cards: { cards: set.cards, earlierHolds: [] },
    mix,
    seed,
    connections,
    hotCards,
    budgetMs: BUDGET_MS,
    repeatsMax: 0,
  });
  await network.signOn();
  await send(network, warmUp);
  for (const stretch of stretches) await measure(stretch.name, () => send(network, stretch));
  await network.pause();
  const reports = network.report().filter(({ name }) => stretches.some((stretch) => stretch.name === name));
  if (network.shed > 0) throw new Error(`${network.shed} messages could not be sent in time`);
  await network.close();
  return reports;
}

async function send(network: Network, { name, pace, seconds }: Stretch): Promise<void> {
  network.beginPhase(name);
  network.start(pace);
  await pause(seconds * 1000);
  network.endPhase();
}

if (import.meta.main) await runAsContender(load);
