import { Option } from 'commander';
import { pc } from '#cli/colours.ts';
import { type Lab, type LabPlace, withLab } from '../lab/lab.ts';
import type { Report } from '../lab/report.ts';
import type { Proof } from '../prove.ts';
import { type Attempt, Attempts, type KindTally } from './attempts.ts';
import { asked, operationsNotTried } from './asked.ts';
import { onRecord } from './on-record.ts';
import { type PartName, parts, PART_NAMES } from './parts.ts';
import { withStage } from './stage.ts';

interface IsolationOptions {
  /** These parts alone. */
  readonly only?: readonly PartName[];
  readonly isShort: boolean;
  readonly verbose: boolean;
}

export const isolation: Proof = {
  name: 'isolation',
  promise: 'Nothing crosses from one cell into another: each attempt is stopped, by a guard that is named.',
  about: `Two tenants with three environments each, portfolios in some, \`relevo up\` before all of them. Then crossing is tried, over
everything that is declared: each public operation under each host with each token, forged ones too; each operation of a
service by each caller; each role against each table and each other database; files, sockets, queues, idempotency
keys, injection, logs. What is declared later is tried by itself.
An attempt that another guard stops than the one that is there for it counts as broken, too: one guard less.
--mutate takes each guard away, in a copy of the project, and shows that this proof then fails.`,
  takes: 'about 2 minutes; with --mutate about 10',
  example: 'npm run prove -- isolation --verbose',
  options: [
    new Option('--only <part>', 'one part alone; with --mutate its guards alone').choices(PART_NAMES),
    new Option('--short', 'fewer cells and attempts'),
    new Option('--verbose', 'list each attempt'),
    new Option('--mutate', 'take each guard away in turn: the proof must fail each time'),
    // For the runs of --mutate, which share what takes long to set up.
    new Option('--in <lab>').argParser(placeOf).hideHelp(),
  ],
  run: (options, report) => run(options as unknown as Record<string, unknown>, report),
};

async function run(
  { only, short = false, verbose = false, mutate = false, in: place }: Record<string, unknown>,
  report: Report,
): Promise<void> {
  const chosen = only === undefined ? {} : { only: [only as PartName] };
  if (mutate) {
    const { proveGuards } = await import('./mutate.ts');
    return proveGuards(report, chosen);
  }
  await withLab(
    LAB_SETTINGS,
    (lab) => proveIsolation(lab, { ...chosen, isShort: short === true, verbose: verbose === true }, report),
    place as LabPlace | undefined,
  );
}

/** As `placeText` writes it. */
function placeOf(text: string): LabPlace {
  const [tenant, folder] = text.split('@');
  return { tenant, folder };
}
export const placeText = ({ tenant, folder }: LabPlace): string => `${tenant}@${folder}`;

/** Chunks small enough that a sample has several. */
export const LAB_SETTINGS = { RELEVO_CHUNK_LINES: '10' };

export async function proveIsolation(
  lab: Lab,
  { only, isShort, verbose }: IsolationOptions,
  report: Report,
): Promise<Attempts> {
  const attempts = new Attempts((attempt) => {
    if (verbose || attempt.outcome !== 'stopped') report.progress(lineOf(attempt));
  });
  const chosen = parts.filter(({ name }) => only === undefined || only.includes(name));
  await withStage(
    lab,
    {
      populatedPerTenant: isShort ? 1 : 2,
      needsPlatform: chosen.some(({ needsPlatform }) => needsPlatform),
      progress: (line) => report.progress(line),
    },
    async (stage) => {
      for (const part of chosen) {
        const before = attempts.all.length;
        await part.run(stage, attempts, { isShort });
        report.progress(`${part.name}: ${attempts.all.length - before} attempts`);
      }
    },
  );
  conclude(attempts, report, only === undefined);
  return attempts;
}

function conclude(attempts: Attempts, report: Report, isWhole: boolean): void {
  for (const tally of attempts.tallies()) {
    report.holds(
      tally.kind,
      tally.crossed + tally.astray + tally.broken === 0 &&
        tally.legitimate > 0 &&
        tally.legitimateRefused === 0,
      foundOf(tally),
    );
  }
  const first = attempts.crossed[0] ?? attempts.bad[0];
  report.holds(
    'crossed',
    attempts.bad.length === 0,
    first
      ? `${attempts.crossed.length} of ${attempts.all.length}; ${lineOf(first)}`
      : `0 of ${attempts.all.length} attempts`,
  );
  report.holds(
    'legitimate requests beside them succeed',
    attempts.refusedLegitimate.length === 0 && attempts.legitimate.length > 0,
    attempts.refusedLegitimate.length === 0
      ? `${attempts.legitimate.length} of ${attempts.legitimate.length}`
      : `refused: ${attempts.refusedLegitimate[0].what}: ${attempts.refusedLegitimate[0].found}`,
  );
  if (isWhole) concludeWhole(attempts, report);
  report.details['attempts'] = attempts.tallies();
  report.details['notStopped'] = attempts.bad;
  report.details['legitimateRefused'] = attempts.refusedLegitimate;
}

/** That nothing was left out: neither what is asked for, nor what is declared, nor what has gone wrong elsewhere. */
function concludeWhole(attempts: Attempts, report: Report): void {
  const counts = new Map(attempts.tallies().map(({ kind, attempts: count }) => [kind, count]));
  const looked = (what: string, kinds: readonly string[]) => {
    const none = kinds.filter((kind) => !counts.get(kind));
    const count = kinds.reduce((sum, kind) => sum + (counts.get(kind) ?? 0), 0);
    report.holds(
      what,
      none.length === 0,
      none.length > 0 ? `nothing tried: ${none.join('; ')}` : `${count} attempts: ${kinds.join('; ')}`,
    );
  };
  for (const { what, kinds } of asked) looked(`asked: ${what}`, kinds);
  for (const { failure, kinds } of onRecord) looked(`on record: ${failure}`, kinds);
  const missing = operationsNotTried(attempts.all);
  report.holds('asked: every declared operation', missing.length === 0, missing[0] ?? 'each by its name');
}

function foundOf({ attempts, stoppedBy, crossed, astray, broken, legitimate }: KindTally): string {
  const guards = Object.entries(stoppedBy)
    .sort(([, a], [, b]) => b - a)
    .map(([guard, count]) => `${guard} ${count}`);
  const shown = guards.length > 4 ? [...guards.slice(0, 4), `${guards.length - 4} more`] : guards;
  return [
    `${attempts} attempts, ${crossed} crossed`,
    ...(astray ? [`${astray} stopped by another guard than the one for it`] : []),
    ...(broken ? [`${broken} failed otherwise`] : []),
    shown.join(', '),
    `beside them ${legitimate} legitimate`,
  ]
    .filter(Boolean)
    .join('; ');
}

const COLOURS = { stopped: pc.green, astray: pc.red, crossed: pc.red, broken: pc.red };
export const lineOf = ({ kind, what, outcome, by }: Attempt): string =>
  `${COLOURS[outcome](outcome)}  ${kind}: ${what}: ${by}`;
