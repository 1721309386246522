import { pc } from '#cli/colours.ts';
import { count, table } from '#cli/output.ts';
import { showMachine } from '../show-machine.ts';
import { median, quantile, ratios, summarise, summariseKnown, type Summary } from '../statistics.ts';
import type { GatewayBench, Stretch, StretchRun } from './gateway.ts';
import type { Wake } from './wakes.ts';

const MB = 1024 ** 2;
/** A cell asleep answers its first request within a second. */
const GOAL_WAKE_MS = 1_000;
const MISSING = '-';

const BEHIND = { trivial: 'an answer of 200 bytes', cell: 'a cell reads a card' } as const;

/** The result as a person reads it. */
export function showGateway(bench: GatewayBench): string {
  const { options, load } = bench;
  return [
    showMachine(bench),
    `         load ${load[0].toFixed(1)} at the beginning, ${load[1].toFixed(1)} at the end: more than the cores have is others' work`,
    '',
    `${pc.bold('Stretches')}  ${options.seconds} s each; medians of ${options.runs} run(s), with the range`,
    ...(bench.stretches.length > 0 ? ['', ...loads(bench)] : []),
    '',
    pc.bold('One request at a time by one kept connection (a client in Node, direct by the Unix socket)'),
    oneAtATime(bench),
    '',
    pc.bold('A new connection for each request: full TLS 1.3 handshakes, X25519'),
    shaken(bench),
    '',
    pc.bold('The first request to a cell asleep, over a new connection'),
    woken(bench),
  ].join('\n');
}

function loads({ stretches }: GatewayBench): string[] {
  const columns = [
    ...['behind', 'conn.', 'before it', 'requests/s', 'times nginx', 'p50 ms', 'p99 ms'],
    ...['CPU s/1,000', 'with log', 'RSS MB'],
  ];
  return [
    pc.bold('As much as goes through, by wrk on the same cores (direct by TCP: wrk calls no Unix socket)'),
    table(
      columns.map((title, i) => ({ title, right: i === 1 || i > 2 })),
      stretches.map((stretch) => loadRow(stretch, stretches)),
    ),
  ];
}

function loadRow(stretch: Stretch, all: readonly Stretch[]): string[] {
  const { behind, before, connections, runs } = stretch;
  const nginx = all.find(
    (each) => each.behind === behind && each.connections === connections && each.before === 'nginx',
  );
  const rate = (each: Stretch) => each.runs.map(({ perSecond }) => perSecond);
  return [
    BEHIND[behind],
    String(connections),
    before,
    range(summarise(rate(stretch)), 0),
    before === 'gateway' && nginx ? ratios(rate(stretch), rate(nginx)).median.toFixed(2) : '',
    median(runs.map(({ p50Ms }) => p50Ms)).toFixed(2),
    median(runs.map(({ p99Ms }) => p99Ms)).toFixed(1),
    ...[false, true].map((withLog) => cpuText(before, runs, withLog)),
    rssText(runs),
  ];
}

const cpuText = (before: Stretch['before'], runs: readonly StretchRun[], withLog: boolean): string => {
  const perThousand = runs.map(({ spent, supervisorCpuSeconds, requests }) =>
    spent.cpuSeconds === null
      ? null
      : ((spent.cpuSeconds + (withLog && before === 'gateway' ? supervisorCpuSeconds : 0)) * 1_000) /
        requests,
  );
  return summariseKnown(perThousand)?.median.toFixed(3) ?? MISSING;
};

const rssText = (runs: readonly StretchRun[]): string => {
  const known = summariseKnown(runs.map(({ spent }) => spent.rssBytes));
  return known ? (known.max / MB).toFixed(0) : MISSING;
};

const oneAtATime = ({ oneConnection }: GatewayBench): string =>
  table(
    ['behind', 'before it', 'p50 ms', 'p99 ms', 'added ms (range of blocks)'].map((title, i) => ({
      title,
      right: i > 1,
    })),
    oneConnection.flatMap(({ behind, ways }) =>
      ways.map(({ before, p50Ms, p99Ms, addedMs }) => [
        BEHIND[behind],
        before,
        p50Ms.toFixed(2),
        p99Ms.toFixed(2),
        addedMs ? range(addedMs, 2) : '',
      ]),
    ),
  );

const shaken = ({ handshakes }: GatewayBench): string =>
  table(
    ['server', 'a second', 'server CPU ms each', 'so many a second of one core'].map((title, i) => ({
      title,
      right: i > 0,
    })),
    handshakes.map(({ before, runs }) => {
      const cpuMs = summariseKnown(runs.map((run) => run.cpuMs));
      return [
        before,
        range(summarise(runs.map(({ perSecond }) => perSecond)), 0),
        cpuMs ? range(cpuMs, 2) : MISSING,
        cpuMs ? count(Math.round(1_000 / cpuMs.median)) : MISSING,
      ];
    }),
  );

function woken({ wakes }: GatewayBench): string {
  const kinds = [
    ['a spare process waits', wakes.spare],
    ['none waits', wakes.cold],
  ] as const;
  return [
    table(
      [
        '',
        'wakes',
        'ms (median)',
        'p90',
        'most',
        'load',
        'serve',
        'process in all',
        'gateway and answer',
      ].map((title, i) => ({ title, right: i > 0 })),
      kinds.filter(([, all]) => all.length > 0).map(([what, all]) => wakeRow(what, all)),
    ),
    '  load is the time in which a process loads its code; a spare one has done so before it is needed',
    ...kinds.filter(([, all]) => all.length > 0).map(([what, all]) => verdict(what, all)),
  ].join('\n');
}

const wakeRow = (what: string, all: readonly Wake[]): string[] => {
  const middle = (pick: (wake: Wake) => number) => median(all.map(pick)).toFixed(0);
  const ms = all.map((wake) => wake.ms);
  return [
    what,
    String(all.length),
    middle((wake) => wake.ms),
    quantile(ms, 0.9).toFixed(0),
    Math.max(...ms).toFixed(0),
    middle((wake) => wake.loadMs),
    middle((wake) => wake.serveMs),
    middle((wake) => wake.processMs),
    middle((wake) => wake.ms - wake.processMs),
  ];
};

const verdict = (what: string, all: readonly Wake[]): string => {
  const over = all.filter(({ ms, isAnswered }) => !isAnswered || ms >= GOAL_WAKE_MS).length;
  return `  where ${what}: ${over === 0 ? pc.green('all') : pc.red(`${all.length - over} of ${all.length}`)} within ${GOAL_WAKE_MS} ms${refusedText(all)}`;
};

const refusedText = (all: readonly Wake[]): string => {
  const refused = all.filter(({ isAnswered }) => !isAnswered).length;
  return refused === 0 ? '' : `; ${refused} refused by the gateway, which waits no longer (cell_unavailable)`;
};

const range = ({ median, min, max }: Summary, digits: number): string => {
  const text = (value: number) => (digits === 0 ? count(Math.round(value)) : value.toFixed(digits));
  return `${text(median)} (${text(min)}-${text(max)})`;
};
