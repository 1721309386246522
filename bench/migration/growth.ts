import type { Measured } from '../meter/meter.ts';
import { summarise, summariseKnown, type Summary } from '../statistics.ts';

/** What one size of file took. */
export interface Growth {
  readonly cards: number;
  readonly seconds: Summary;
  readonly cardsPerSecond: Summary;
  readonly nodeRssBytesMax: Summary | null;
}

export const growthRow = (cards: number, runs: readonly Measured[]): Growth => ({
  cards,
  seconds: summarise(runs.map(({ seconds }) => seconds)),
  cardsPerSecond: summarise(runs.map(({ seconds }) => cards / seconds)),
  nodeRssBytesMax: summariseKnown(runs.map(({ nodeRssBytesMax }) => nodeRssBytesMax)),
});

/** Ten times the cards may cost this much more memory and still count as the same. */
const FLAT_GROWTH_MAX = 1.25;
/** Below this, buffers are still being filled for the first time. */
const CARDS_MIN = 100_000;

export interface Flatness {
  readonly fromCards: number;
  readonly toCards: number;
  /** Peak memory of the larger file over that of the smaller one. */
  readonly times: number;
  readonly isFlat: boolean;
}

/** How memory went with the last tenfold growth; null when the files are too small to tell. */
export function flatness(growth: readonly Growth[]): Flatness | null {
  const [smaller, larger] = growth.slice(-2);
  if (!smaller?.nodeRssBytesMax || !larger?.nodeRssBytesMax || smaller.cards < CARDS_MIN) return null;
  const times = larger.nodeRssBytesMax.median / smaller.nodeRssBytesMax.median;
  return { fromCards: smaller.cards, toCards: larger.cards, times, isFlat: times <= FLAT_GROWTH_MAX };
}
