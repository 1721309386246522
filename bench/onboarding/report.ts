import { pc } from '#cli/colours.ts';
import { count, table } from '#cli/output.ts';
import { showMachine } from '../show-machine.ts';
import type { Summary } from '../statistics.ts';
import type { Standing } from './idle-cost.ts';
import type { OnboardingBench } from './onboarding.ts';

const MB = 1024 ** 2;
const KB = 1024;
/** The goal: three cells in service on two cores, PostgreSQL running. */
const GOAL_SECONDS = 3;

const range = ({ median, min, max }: Summary, digits = 0, unit = 1): string =>
  `${(median / unit).toFixed(digits)} (${(min / unit).toFixed(digits)}-${(max / unit).toFixed(digits)})`;

/** The result as a person reads it. */
export function showOnboarding(bench: OnboardingBench): string {
  const { growth, before, commandSeconds, ways, machine } = bench;
  const isGoalMet = commandSeconds.median < GOAL_SECONDS;
  const counts = machine.cores <= 2 ? '' : ' (more than 2 cores: it does not count)';
  return [
    showMachine(bench),
    '',
    pc.bold('One database with the schemas of this release'),
    table(
      [{ title: 'way' }, { title: 'ms (range)', right: true }, { title: 'log MB', right: true }],
      ways.map(({ name, ms, walBytes }) => [name, range(ms), (walBytes.median / MB).toFixed(2)]),
    ),
    '',
    pc.bold('Tenants, each with three cells'),
    table(
      [
        { title: 'tenants', right: true },
        { title: 'cells', right: true },
        { title: 'a minute', right: true },
        { title: 'ms a tenant (range)', right: true },
        { title: 'log MB a cell', right: true },
        { title: 'gateway looks, ms', right: true },
        { title: 'plan, s', right: true },
      ],
      growth.map((each) => [
        count(each.tenants),
        count(each.cells),
        count(Math.round(each.tenantsPerMinute)),
        range(each.tenantMs),
        (each.walBytesPerCell / MB).toFixed(1),
        each.readPlatformMs.toFixed(1),
        each.planSeconds.toFixed(1),
      ]),
    ),
    '',
    pc.bold('What a step takes, ms (median of a cell; three cells are made side by side)'),
    table(
      [{ title: 'step' }, ...growth.map(({ tenants }) => ({ title: `to ${tenants}`, right: true }))],
      (growth[0]?.steps ?? []).map(({ step }) => [
        step,
        ...growth.map(({ steps }) => steps.find((each) => each.step === step)?.ms.toFixed(0) ?? ''),
      ]),
    ),
    '',
    pc.bold('What an idle cell costs'),
    table(
      [
        { title: 'cells', right: true },
        { title: 'database MB', right: true },
        { title: 'files KB', right: true },
        { title: 'connections', right: true },
        { title: 'processes', right: true },
        { title: 'server memory KB', right: true },
        { title: 'without its cache KB', right: true },
      ],
      growth.map(({ cells, standing }) => costRow(cells, standing, before)),
    ),
    `  each divided by the number of cells; without any the server stood at ${shownMb(before.serverPssBytes)} MB (PSS)`,
    '  new databases fill its cache (shared_buffers), which grows no further than its bound',
    '',
    `By the command: ${range(commandSeconds, 2)} s for three cells in service; goal ${GOAL_SECONDS} s: ` +
      `${isGoalMet ? 'met' : 'missed'}${counts}`,
  ].join('\n');
}

const shownMb = (bytes: number | null): string => (bytes === null ? '?' : (bytes / MB).toFixed(0));

function costRow(cells: number, now: Standing, before: Standing): string[] {
  const each = (value: number | null, earlier: number | null, unit: number, digits: number) =>
    value === null || earlier === null ? '' : ((value - earlier) / cells / unit).toFixed(digits);
  return [
    count(cells),
    each(now.databaseBytes, before.databaseBytes, MB, 2),
    each(now.fileBytes, before.fileBytes, KB, 1),
    each(now.cellConnections, before.cellConnections, 1, 2),
    each(now.cellProcesses, before.cellProcesses, 1, 2),
    each(now.serverPssBytes, before.serverPssBytes, KB, 0),
    each(now.serverPrivateBytes, before.serverPrivateBytes, KB, 0),
  ];
}
