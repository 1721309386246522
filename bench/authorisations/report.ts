import { pc } from '#cli/colours.ts';
import { count, table } from '#cli/output.ts';
import { showMachine } from '../show-machine.ts';
import { summarise, summariseKnown, type Summary } from '../statistics.ts';
import type { Answered, AuthorisationsBench, AuthorisationsLane } from './authorisations.ts';

/** The result as a person reads it. */
export function showAuthorisations(bench: AuthorisationsBench): string {
  const { options, connections, inFlight } = bench;
  return [
    showMachine(bench),
    '',
    `${pc.bold('Cell')}  ${count(options.cards)} cards; stretches of ${options.seconds} s; figures are the median of ` +
      `${options.runs} run(s), with the range`,
    '',
    pc.bold(
      `The most, with ${count(inFlight)} messages under way at once (the network runs on the same cores)`,
    ),
    lanesTable(bench.lanes),
    '',
    ...ratioLines(bench),
    ...(options.inFlight.length > 1
      ? [pc.dim(`  Messages under way at once: the best of ${options.inFlight.join(', ')}.`)]
      : []),
    pc.dim(
      `  Connections of their own, the best of ${options.connections.join(', ')}: one transaction each ` +
        `${connections.transaction}, one statement each ${connections.statement}.`,
    ),
    '',
    pc.bold('At a steady rate, whatever the answers do'),
    ratesTable(bench),
    '',
    pc.bold('Goals'),
    goalsTable(bench),
  ].join('\n');
}

function lanesTable(lanes: readonly AuthorisationsLane[]): string {
  const columns = [
    'way',
    'a second',
    'range',
    'p50 ms',
    'p99 ms',
    'approved',
    'node µs',
    'postgres µs',
    'network µs',
  ];
  return table(
    columns.map((title, i) => ({ title, right: i > 0 })),
    lanes.map(({ name, runs }) => {
      const rate = summarise(runs.map((run) => run.perSecond));
      return [
        name,
        whole(rate.median),
        `${whole(rate.min)}-${whole(rate.max)}`,
        tenths(middle(runs, ({ phase }) => phase.latencyMs.p50)),
        tenths(middle(runs, ({ phase }) => phase.latencyMs.p99)),
        `${Math.round(middle(runs, ({ phase }) => (phase.approved / phase.answered) * 100)!)} %`,
        ...[
          (run: Answered) => run.serving.nodeCpuSeconds,
          (run: Answered) => run.serving.postgresCpuSeconds,
          (run: Answered) => run.network.nodeCpuSeconds,
        ].map((cpu) => whole(middle(runs, (run) => perMessage(run, cpu(run))))),
      ];
    }),
  );
}

function ratioLines({ ratios }: AuthorisationsBench): string[] {
  const lines = Object.entries(ratios).map(
    ([name, ratio]) => `  relevo's rate is ${times(ratio)} that of ${name}.`,
  );
  return [...lines.filter((line) => !line.includes('of relevo:'))];
}

function ratesTable({ open, step, migration, options }: AuthorisationsBench): string {
  const columns = ['stretch', 'a second', 'p50 ms', 'p99 ms', 'range', 'longest ms'];
  const row = (what: string, runs: readonly Answered[]) => {
    const p99 = summarise(runs.map(({ phase }) => phase.latencyMs.p99));
    return [
      what,
      whole(middle(runs, ({ perSecond }) => perSecond)),
      tenths(middle(runs, ({ phase }) => phase.latencyMs.p50)),
      tenths(p99.median),
      `${tenths(p99.min)}-${tenths(p99.max)}`,
      tenths(Math.max(...runs.map(({ phase }) => phase.latencyMs.max))),
    ];
  };
  const rows = [
    row('steady', open),
    row(
      'before the step',
      step.map(({ base }) => base),
    ),
    row(
      'five times as many, in one step',
      step.map(({ five }) => five),
    ),
  ];
  if (migration.length > 0)
    rows.push(
      row(
        'alone',
        migration.map(({ idle }) => idle),
      ),
      row(
        `while ${count(options.migratedCards)} cards move in`,
        migration.map(({ during }) => during),
      ),
    );
  const moved = summariseKnown(migration.map(({ cardsPerSecond }) => cardsPerSecond));
  return [
    table(
      columns.map((title, i) => ({ title, right: i > 0 })),
      rows,
    ),
    ...(moved ? [`  The migration went on with ${whole(moved.median)} cards a second meanwhile.`] : []),
  ].join('\n');
}

function goalsTable({ verdict }: AuthorisationsBench): string {
  const rows = verdict.goals.map(({ what, found, needed, met }) => [
    what,
    found,
    needed,
    met ? pc.green('met') : pc.red('MISSED'),
  ]);
  const caveat = verdict.counts
    ? []
    : ['  The goals speak of 2 cores and the full rates: this run does not count.'];
  return [
    table(
      ['what', 'found', 'needed', ''].map((title) => ({ title })),
      rows,
    ),
    ...caveat,
  ].join('\n');
}

const middle = (runs: readonly Answered[], pick: (run: Answered) => number | null): number | null =>
  summariseKnown(runs.map(pick))?.median ?? null;

/** Processor time for one message, in microseconds. */
const perMessage = ({ phase }: Answered, cpuSeconds: number | null): number | null =>
  cpuSeconds === null ? null : (cpuSeconds / phase.answered) * 1e6;

const whole = (value: number | null): string => (value === null ? '-' : count(Math.round(value)));
const tenths = (value: number | null): string => (value === null ? '-' : value.toFixed(1));
const times = ({ median, min, max }: Summary): string =>
  `${median.toFixed(2)} times (${min.toFixed(2)} to ${max.toFixed(2)})`;
