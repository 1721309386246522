import { count } from '#cli/output.ts';
import { median } from '../statistics.ts';
import type { Answered, AuthorisationsBench } from './authorisations.ts';

/** What the platform promises of its answers, on the machine it is promised for. */
export const GOALS = {
  cores: 2,
  perSecondMin: 10_000,
  timesOneTransactionMin: 2.5,
  openRate: 5_000,
  openP99MsMax: 25,
  stepP99TimesMax: 1.5,
  migrationP99TimesMax: 2,
};

export interface Goal {
  readonly what: string;
  readonly found: string;
  readonly needed: string;
  readonly met: boolean;
}

export interface Verdict {
  /** Whether the machine and the rate are those the goals speak of. */
  readonly counts: boolean;
  readonly goals: readonly Goal[];
}

type Found = Pick<
  AuthorisationsBench,
  'options' | 'machine' | 'lanes' | 'ratios' | 'open' | 'step' | 'migration'
>;

const p99 = ({ phase }: Answered): number => phase.latencyMs.p99;
/** The middle of how many times as long one of each pair takes as the other. */
const times = (pairs: readonly (readonly [Answered, Answered])[]): number =>
  median(pairs.map(([base, other]) => p99(other) / p99(base)));

export function verdictOn({ options, machine, lanes, ratios, open, step, migration }: Found): Verdict {
  const relevo = median(lanes.find(({ name }) => name === 'relevo')!.runs.map((run) => run.perSecond));
  const goals: Goal[] = [
    {
      what: 'messages a second',
      found: count(Math.round(relevo)),
      needed: `at least ${count(GOALS.perSecondMin)}`,
      met: relevo >= GOALS.perSecondMin,
    },
  ];
  const overOne = ratios['one transaction each'];
  if (overOne)
    goals.push({
      what: 'times one transaction each',
      found: overOne.median.toFixed(2),
      needed: `at least ${GOALS.timesOneTransactionMin}`,
      met: overOne.median >= GOALS.timesOneTransactionMin,
    });
  const openP99 = median(open.map(p99));
  goals.push({
    what: `p99 at ${count(options.openRate)} a second`,
    found: `${openP99.toFixed(1)} ms`,
    needed: `below ${GOALS.openP99MsMax} ms`,
    met: openP99 < GOALS.openP99MsMax,
  });
  const stepTimes = times(step.map(({ base, five }) => [base, five]));
  goals.push({
    what: `p99 at five times ${count(options.baseRate)} a second, in one step`,
    found: `${stepTimes.toFixed(2)} times`,
    needed: `at most ${GOALS.stepP99TimesMax} times`,
    met: stepTimes <= GOALS.stepP99TimesMax,
  });
  if (migration.length > 0) {
    const besides = times(migration.map(({ idle, during }) => [idle, during]));
    goals.push({
      what: `p99 while ${count(options.migratedCards)} cards move in`,
      found: `${besides.toFixed(2)} times`,
      needed: `at most ${GOALS.migrationP99TimesMax} times`,
      met: besides <= GOALS.migrationP99TimesMax,
    });
  }
  return { counts: machine.cores <= GOALS.cores && options.openRate >= GOALS.openRate, goals };
}
