import { pc } from '#cli/colours.ts';
import { count, table } from '#cli/output.ts';
import type { Measured } from '../meter/meter.ts';
import { summarise, summariseKnown, type Summary } from '../statistics.ts';
import { showMachine } from '../show-machine.ts';
import { settingText } from './card-by-card/calibrate.ts';
import type { Lane, MigrationBench } from './migration.ts';
import { verdictLine } from './verdict.ts';

const MB = 1024 * 1024;

/** The result as a person reads it. */
export function showMigration(bench: MigrationBench): string {
  const { file, options } = bench;
  return [
    showMachine(bench),
    '',
    `${pc.bold('File')}  ${count(file.cards)} cards, ${count(file.lines)} lines, ${megabytes(file.bytes)} sealed, ` +
      `${megabytes(file.plaintextBytes)} in the clear`,
    `      figures are the median of ${options.runs} run(s), with the range; workers: ${options.workers}`,
    '',
    pc.bold('Side by side, in turn on the same server'),
    lanesTable(bench.lanes),
    ...lanesNotes(bench),
    '',
    pc.bold('What it took'),
    costTable(bench.lanes),
    `  The migrated cell's database grew by ${megabytes(bench.databaseBytes)}.`,
    '',
    pc.bold('The stages one by one, in one process (a real run overlaps them)'),
    stagesTable(bench),
    '',
    pc.bold('Growth'),
    growthTable(bench),
    flatnessLine(bench),
    '',
    verdictLine(bench.verdict),
  ].join('\n');
}

const LANES: Record<Lane['name'], string> = {
  relevo: 'relevo: file to reconciled',
  ceiling: '(a) raw UNNEST of the same rows',
  queue: '(b) card by card, job queue',
  transactions: '(c) card by card, two transactions',
};

function lanesTable(lanes: readonly Lane[]): string {
  const columns = ['way', 'cards', 'cards/s', 'range', 'seconds', 'range'];
  return table(
    columns.map((title, i) => ({ title, right: i > 0 })),
    lanes.map(({ name, cards, cardsPerSecond, runs }) => {
      const rate = summarise(cardsPerSecond);
      const seconds = summarise(runs.map((run) => run.seconds));
      return [
        LANES[name],
        count(cards),
        whole(rate.median),
        range(rate, whole),
        ...both(seconds, hundredths),
      ];
    }),
  );
}

function lanesNotes({ ratios, calibration, lanes, options }: MigrationBench): string[] {
  const times = (ratio: Summary) =>
    `${hundredths(ratio.median)} times (${hundredths(ratio.min)} to ${hundredths(ratio.max)})`;
  const longer = lanes
    .filter(({ cards }) => cards < options.cards)
    .map(({ name, runs, cards }) => {
      const seconds = (summarise(runs.map((run) => run.seconds)).median / cards) * options.cards;
      return `${LANES[name].slice(0, 3)} ${count(Math.round(seconds))} s`;
    });
  const tried = (['queue', 'transactions'] as const).map((how) => {
    const trials = calibration[how].map(
      ({ setting, cardsPerSecond }) =>
        `${settingText(setting)}${cardsPerSecond === null ? '' : `: ${count(cardsPerSecond)}/s`}`,
    );
    return `  ${how} settings tried, best first: ${trials.join('; ')}`;
  });
  return [
    '',
    `  relevo's rate is ${times(ratios.ceiling)} that of (a), ${times(ratios.queue)} (b), ${times(ratios.transactions)} (c).`,
    ...(longer.length > 0
      ? [`  At the same rate ${count(options.cards)} cards would take: ${longer.join(', ')} (extrapolated).`]
      : []),
    ...tried.map((line) => pc.dim(line)),
  ];
}

function costTable(lanes: readonly Lane[]): string {
  const columns = [
    'way',
    'node MB',
    'range',
    'node PSS MB',
    'postgres MB',
    'node CPU s',
    'postgres CPU s',
    'WAL MB',
  ];
  return table(
    columns.map((title, i) => ({ title, right: i > 0 })),
    lanes.map(({ name, runs }) => {
      const of = (pick: (run: Measured) => number | null) => summariseKnown(runs.map(pick));
      const rss = of((run) => run.nodeRssBytesMax);
      return [
        LANES[name],
        rss ? inMegabytes(rss.median) : '-',
        rss ? range(rss, inMegabytes) : '-',
        middle(
          of((run) => run.nodePssBytesMax),
          inMegabytes,
        ),
        middle(
          of((run) => run.postgresPssBytesMax),
          inMegabytes,
        ),
        middle(
          of((run) => run.nodeCpuSeconds),
          hundredths,
        ),
        middle(
          of((run) => run.postgresCpuSeconds),
          hundredths,
        ),
        middle(
          of((run) => run.walBytes),
          inMegabytes,
        ),
      ];
    }),
  );
}

function stagesTable({ stages, options }: MigrationBench): string {
  const perCard = (seconds: number) => ((seconds * 1e6) / options.cards).toFixed(1);
  const known = (value: number | null) => (value === null ? '' : hundredths(value));
  const columns = ['stage', 'seconds', 'node CPU s', 'postgres CPU s', 'µs a card'];
  return table(
    columns.map((title, i) => ({ title, right: i > 0 })),
    stages.map(({ stage, part, seconds, nodeCpuSeconds, postgresCpuSeconds }) => {
      const cells = [hundredths(seconds), known(nodeCpuSeconds), known(postgresCpuSeconds), perCard(seconds)];
      return part === null ? [pc.bold(stage), ...cells] : [`  ${part}`, ...cells];
    }),
  );
}

function growthTable({ growth }: MigrationBench): string {
  const columns = ['cards', 'seconds', 'range', 'cards/s', 'node MB', 'range'];
  return table(
    columns.map((title) => ({ title, right: true })),
    growth.map(({ cards, seconds, cardsPerSecond, nodeRssBytesMax: rss }) => [
      count(cards),
      ...both(seconds, hundredths),
      whole(cardsPerSecond.median),
      ...(rss ? both(rss, inMegabytes) : ['-', '-']),
    ]),
  );
}

function flatnessLine({ verdict }: MigrationBench): string {
  const { memory } = verdict;
  if (!memory)
    return '  Too small to say whether memory is flat: it takes files of 100,000 and 1,000,000 cards.';
  const { fromCards, toCards, times, isFlat } = memory;
  return `  Memory ${isFlat ? 'is flat' : 'GROWS'}: ${hundredths(times)} times as much for ${count(toCards)} cards as for ${count(fromCards)}.`;
}

const whole = (value: number): string => count(Math.round(value));
const hundredths = (value: number): string => value.toFixed(2);
const inMegabytes = (bytes: number): string => whole(bytes / MB);
const megabytes = (bytes: number): string => `${(bytes / MB).toFixed(1)} MB`;
const range = ({ min, max }: Summary, show: (value: number) => string): string => `${show(min)}-${show(max)}`;
const both = (summary: Summary, show: (value: number) => string): [string, string] => [
  show(summary.median),
  range(summary, show),
];
const middle = (summary: Summary | null, show: (value: number) => string): string =>
  summary ? show(summary.median) : '-';
