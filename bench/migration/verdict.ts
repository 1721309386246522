import { count } from '#cli/output.ts';
import type { Measured } from '../meter/meter.ts';
import { median, summariseKnown } from '../statistics.ts';
import { type Flatness, flatness, type Growth } from './growth.ts';
import type { Lane } from './migration.ts';

/** What the platform promises of a migration, on the machine it is promised for. */
export const GOALS = {
  cards: 1_000_000,
  cores: 2,
  cardsPerSecondMin: 25_000,
  nodeBytesMax: 400 * 1024 * 1024,
};

export interface Verdict {
  /** Whether size and machine are those the goals speak of. */
  readonly counts: boolean;
  readonly cardsPerSecond: number;
  readonly fastEnough: boolean;
  /** The highest of all runs, not the median; null where it cannot be measured. */
  readonly nodeBytesMax: number | null;
  /** As above, what processes share counted once; sampled less often, so a short peak may be missed. */
  readonly nodePssBytesMax: number | null;
  readonly smallEnough: boolean | null;
  readonly memory: Flatness | null;
}

export function verdictOn(run: {
  readonly cards: number;
  readonly cores: number;
  readonly relevo: Pick<Lane, 'cardsPerSecond' | 'runs'>;
  readonly growth: readonly Growth[];
}): Verdict {
  const cardsPerSecond = median(run.relevo.cardsPerSecond);
  const highest = (pick: (run: Measured) => number | null) =>
    summariseKnown(run.relevo.runs.map(pick))?.max ?? null;
  const peak = highest((run) => run.nodeRssBytesMax);
  return {
    counts: run.cards >= GOALS.cards && run.cores <= GOALS.cores,
    cardsPerSecond: Math.round(cardsPerSecond),
    fastEnough: cardsPerSecond >= GOALS.cardsPerSecondMin,
    nodeBytesMax: peak,
    nodePssBytesMax: highest((run) => run.nodePssBytesMax),
    smallEnough: peak === null ? null : peak < GOALS.nodeBytesMax,
    memory: flatness(run.growth),
  };
}

const megabytes = (bytes: number | null): string =>
  bytes === null ? '-' : `${Math.round(bytes / 1024 / 1024)} MB`;

export function verdictLine(verdict: Verdict): string {
  const { cardsPerSecond, nodeBytesMax, nodePssBytesMax, counts } = verdict;
  const word = (met: boolean | null) => (met === null ? 'not measured here' : met ? 'met' : 'MISSED');
  const parts = [
    `${count(cardsPerSecond)} cards/s, goal ${count(GOALS.cardsPerSecondMin)}: ${word(verdict.fastEnough)}`,
    `node at most ${megabytes(nodeBytesMax)} (shared pages counted once: ${megabytes(nodePssBytesMax)}), goal below ${megabytes(GOALS.nodeBytesMax)}: ${word(verdict.smallEnough)}`,
  ];
  const caveat = counts
    ? ''
    : ` (the goals speak of ${count(GOALS.cards)} cards or more on ${GOALS.cores} cores: this run does not count)`;
  return `Verdict: ${parts.join('; ')}${caveat}`;
}
