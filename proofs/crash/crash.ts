import { Option } from 'commander';
import { CRASH_POINTS } from '#runtime/crash-point.ts';
import { wholeNumber } from '#cli/options.ts';
import { endOf, documentOf } from '../lab/command.ts';
import { type Lab, withLab } from '../lab/lab.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import { Random } from '../lab/random.ts';
import type { Report } from '../lab/report.ts';
import { differences, resultLinesOf, sameLines, type Snapshot, snapshot, sorted } from '../lab/snapshot.ts';
import type { Proof } from '../prove.ts';
import { Campaign, type Kill, type MigrationDocument, type Resumption } from './campaign.ts';
import { killCancellations } from './cancellations.ts';
import { killMocks } from './mocks.ts';
import { killOrdered } from './ordered.ts';
import { orderMatters } from './order-matters.ts';
import { atMoment, everyPoint, inOrder, type PlannedKill } from './plan.ts';

const RESUMES_MS_MAX = 10_000;
/** Each kill costs the chunk in hand one of its eight attempts, so no migration is killed more often than this. */
const KILLS_PER_FILE = 5;

/** The undisturbed run: what every other run must come to. */
export interface Undisturbed {
  readonly cell: ProofCell;
  readonly files: readonly { readonly path: string; readonly chunks: number }[];
  readonly after: readonly Snapshot[];
  readonly documents: readonly MigrationDocument[];
  readonly results: readonly (readonly string[])[];
}

/** What happened over all runs. */
export interface Tally {
  readonly kills: Kill[];
  readonly resumptions: Resumption[];
  readonly failures: string[];
  readonly differences: string[];
  runs: number;
}

export const crash: Proof = {
  name: 'crash',
  promise:
    'Whatever dies, and whenever: nothing lost, nothing doubled, same ids, same balances, on again within 10 s.',
  about: `A full portfolio with faults and shared accounts, then a delta, go into a cell undisturbed. Then the same files go
into equal cells while processes are killed with SIGKILL: at every named point of the code and at moments drawn
from the seed; the command itself, worker processes, all at once, the PostgreSQL server. Each time the same
command is given again. In the end every row, sealed value, outcome and result line must be that of the
undisturbed run.`,
  takes: 'about 5 minutes',
  example: 'npm run prove -- crash --kills 60 --seed 1',
  options: [
    new Option('--cards <n>', 'cards of the full file').argParser(wholeNumber(200, 200_000)).default(3000),
    new Option('--kills <n>', 'at least so many kills must have hit')
      .argParser(wholeNumber(1, 5000))
      .default(60),
    new Option('--seed <n>', 'draws portfolio, moments and order')
      .argParser(wholeNumber(0, 2 ** 32 - 1))
      .default(1),
  ],
  run: ({ cards, kills, seed }, report) =>
    withLab({ RELEVO_CHUNK_LINES: String(chunkLinesFor(cards)) }, (lab) =>
      proveCrash(lab, { cards, kills, seed }, report),
    ),
};

/** So many lines that the full file has some 60 chunks. */
export const chunkLinesFor = (cards: number): number => Math.max(5, Math.round(cards / 48));

/**
 * Fewer than 40 kills are a selection of everything, for tests: some of the named points, one kill of the server, one
 * place where a cancellation is held up, one point of a mock file and one kill where order matters, in one cell. The
 * seed draws which.
 */
export async function proveCrash(
  lab: Lab,
  { cards, kills: wanted, seed }: { cards: number; kills: number; seed: number },
  report: Report,
): Promise<void> {
  const random = new Random(seed);
  const isSmall = wanted < 40;
  const environments = isSmall ? (['production'] as const) : (['production', 'staging'] as const);
  const lanes: Undisturbed[] = [];
  for (const environment of environments)
    lanes.push(await undisturbed(await ProofCell.open(lab, environment), cards, seed, report));
  const tally: Tally = { kills: [], resumptions: [], failures: [], differences: [], runs: 0 };
  const tell = (what: string) =>
    report.progress(
      `${what}: ${tally.kills.length} kills so far, ${tally.differences.length} differences, slowest resumption ${slowest(tally)} ms`,
    );

  const planned = plan(wanted, random);
  const fileRuns = evenly(planned, KILLS_PER_FILE);
  let missed: PlannedKill[] = [];
  const lane = async (run: Undisturbed) => {
    for (let pair = fileRuns.splice(0, 2); pair.length > 0; pair = fileRuns.splice(0, 2)) {
      missed.push(...(await disturbed(run, pair, random, tally)));
      tell(`${run.cell.text}: full file and delta`);
    }
  };
  await Promise.all(lanes.map(lane));

  const [first] = lanes;
  if (lab.isEmbedded) {
    const ofDatabase = Array.from({ length: isSmall ? 1 : 4 }, () => atMoment(random, 'database'));
    // By itself, for it takes every cell with it.
    missed.push(...(await disturbed(first, evenly(ofDatabase, 2), random, tally)));
    tell('the PostgreSQL server itself');
  }
  // The lab's chunks are made for `cards`; this file is made for the lab's chunks.
  await killOrdered(first, { chunkLines: chunkLinesFor(cards), seed }, random, tally, isSmall);
  tell('lines whose order matters');
  await killCancellations(first, random, tally, isSmall);
  tell('cancellations');
  await killMocks(first, cards, seed, random, tally, isSmall);
  tell('mock files');

  // Kills that came too late are tried again, and more moments are drawn until there are enough.
  for (let round = 0; round < 12 && (missed.length > 0 || tally.kills.length < wanted); round++) {
    const again = missed.slice(0, 2 * KILLS_PER_FILE);
    const more = Math.min(
      2 * KILLS_PER_FILE - again.length,
      Math.max(0, wanted - tally.kills.length - again.length),
    );
    const drawn = Array.from({ length: more }, () =>
      atMoment(random, random.pick(['command', 'everything'])),
    );
    const still = await disturbed(first, evenly([...again, ...drawn], KILLS_PER_FILE), random, tally);
    missed = [...missed.slice(again.length), ...still.filter((kill) => kill.kind === 'point')];
    tell('once more');
  }
  conclude(report, { tally, wanted, isSmall, lanes, isEmbedded: lab.isEmbedded });
}

/** Which kills; with few wanted, a selection that has something of everything. */
function plan(wanted: number, random: Random): PlannedKill[] {
  const points = everyPoint(random);
  const moments = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      atMoment(random, (['command', 'everything', 'worker'] as const)[i % 3]),
    );
  if (wanted >= 40)
    return random.shuffled([...points, ...moments(Math.max(12, wanted - points.length - 12))]);
  const some = Math.max(1, Math.ceil(wanted / 2));
  return random.shuffled([
    ...random.shuffled(points).slice(0, some),
    ...moments(Math.max(1, wanted - some - 2)),
  ]);
}

/** Deals kills out to as few runs as hold them, an even number, for a full file and a delta go together. */
function evenly(kills: readonly PlannedKill[], perRun: number): PlannedKill[][] {
  if (kills.length === 0) return [];
  const count = 2 * Math.ceil(kills.length / perRun / 2);
  return Array.from({ length: count }, (_, run) => kills.filter((_, i) => i % count === run));
}

async function undisturbed(
  cell: ProofCell,
  cards: number,
  seed: number,
  report: Report,
): Promise<Undisturbed> {
  await cell.keep('fresh');
  const faults = Math.max(40, Math.round(cards / 60));
  const common = { cards, seed, faults, changedPercent: 50, holdsPercent: 14, tokensPercent: 10 };
  const paths = [
    await cell.sample(
      `full-${cell.name.environment}.gpg`,
      { ...common, kind: 'full' },
      orderMatters((seed + 7) % 2 ** 32, Math.max(4, Math.round(cards / 25))),
    ),
    await cell.sample(`delta-${cell.name.environment}.gpg`, { ...common, kind: 'delta' }),
  ];
  const files: { path: string; chunks: number }[] = [];
  const after: Snapshot[] = [];
  const documents: MigrationDocument[] = [];
  const results: string[][] = [];
  for (const path of paths) {
    const ended = await endOf(
      cell.lab.start(['migrate', 'start', path, '--cell', cell.text, '--wait', '--json']),
      120_000,
    );
    if (ended?.code !== 0) throw new Error(`the undisturbed run failed: ${ended?.stdout}${ended?.stderr}`);
    const { importNumber, chunks } = (await cell.lastMigration())!;
    files.push({ path, chunks });
    after.push(await snapshot(cell));
    documents.push(documentOf(ended));
    results.push(await resultLinesOf(cell, importNumber));
    if (path === paths[0]) await cell.keep('full');
  }
  const rejected = documents.map(({ outcomes }) => outcomes['rejected'] ?? 0);
  report.progress(
    `${cell.text} undisturbed: ${documents.map(({ rows, outcomes }) => `${JSON.stringify(rows)} ${JSON.stringify(outcomes)}`).join(', then ')}; ${files.map(({ chunks }) => chunks).join(' and ')} chunks`,
  );
  if (rejected.some((lines) => lines === 0)) throw new Error('the files have no faulty lines');
  return { cell, files, after, documents, results };
}

/** The two files into an equal cell, with kills; answers the kills that came too late. */
async function disturbed(
  run: Undisturbed,
  kills: readonly (readonly PlannedKill[])[],
  random: Random,
  tally: Tally,
): Promise<PlannedKill[]> {
  const { cell } = run;
  const missed: PlannedKill[] = [];
  await cell.setBack('fresh');
  let before = 0;
  for (const [i, { path, chunks }] of run.files.entries()) {
    const campaign = new Campaign(cell, path, chunks, before, random);
    for (const kill of inOrder(kills[i] ?? [])) await campaign.kill(kill);
    const document = await campaign.finish();
    tally.kills.push(...campaign.kills);
    tally.resumptions.push(...campaign.resumptions);
    tally.failures.push(...campaign.failures);
    missed.push(...campaign.missed);
    if (!document) return missed;
    before = (await campaign.migration())!.importNumber;
    const story = `after ${campaign.kills.map(({ where }) => where).join(', ') || 'no kill'}: `;
    const told = [
      ...differences(run.after[i], await snapshot(cell)),
      ...sameLines(run.results[i], await resultLinesOf(cell, before)),
      ...sameDocument(run.documents[i], document),
    ];
    tally.differences.push(...told.map((difference) => story + difference));
    tally.runs++;
  }
  return missed;
}

/** What the command itself answers must be the same, too. */
export function sameDocument(expected: MigrationDocument, found: MigrationDocument): string[] {
  const told = (document: MigrationDocument) => {
    const { state, reconciled, rows, outcomes, rejections, posted, held } = document;
    return sorted({ state, reconciled, rows, outcomes, rejections, posted, held });
  };
  return told(expected) === told(found) ? [] : [`the command answered ${told(found)}, not ${told(expected)}`];
}

const slowest = ({ resumptions }: Tally): number => Math.max(0, ...resumptions.map(({ ms }) => ms));

function conclude(
  report: Report,
  about: { tally: Tally; wanted: number; isSmall: boolean; lanes: Undisturbed[]; isEmbedded: boolean },
): void {
  const { tally, wanted, isSmall, lanes, isEmbedded } = about;
  const { kills, resumptions } = tally;
  report.details['kills'] = kills;
  report.details['resumptions'] = resumptions;
  report.details['differences'] = tally.differences.slice(0, 50);
  report.details['failures'] = tally.failures;
  const of = (victim: string) => kills.filter((kill) => kill.victim === victim).length;
  report.holds('kills that hit', kills.length >= wanted, `${kills.length} (at least ${wanted} wanted)`);
  report.tells(
    'who died',
    `command ${of('command')}, worker ${of('worker')}, everything ${of('everything')}, database ${of('database')}${isEmbedded ? '' : ' (not ours to kill)'}, cancel ${of('cancel')}, mock ${of('mock')}`,
  );
  const states = [...new Set(kills.map(({ state }) => state))];
  report.tells(
    'how far it was',
    states.map((state) => `${state} ${kills.filter((kill) => kill.state === state).length}`).join(', '),
  );
  const byPoint = CRASH_POINTS.map((point) => ({
    point,
    kills: kills.filter((kill) => kill.point === point),
  }));
  const without = byPoint.filter((each) => each.kills.length === 0).map(({ point }) => point);
  const places = `${CRASH_POINTS.length - without.length} of ${CRASH_POINTS.length}${without.length > 0 ? `; not ${without.join(', ')}` : ''}`;
  if (isSmall) report.tells('named points at which a process died (a selection)', places);
  else report.holds('named points at which a process died', without.length === 0, places);
  const again = byPoint.filter((each) => each.kills.some(({ times }) => times > 1)).length;
  report.tells('of these also at a later time', String(again));
  const sorted = resumptions.map(({ ms }) => ms).sort((a, b) => a - b);
  const worst = resumptions.find(({ ms }) => ms === sorted.at(-1));
  report.holds(
    'on again within 10 s',
    sorted.length > 0 && sorted.at(-1)! < RESUMES_MS_MAX,
    `${sorted.length} measured: median ${sorted[sorted.length >> 1]} ms, 95 % ${sorted[Math.floor(sorted.length * 0.95)]} ms, slowest ${sorted.at(-1)} ms (${worst?.after})`,
  );
  report.holds(
    'every command ended, every file was finished',
    tally.failures.length === 0,
    tally.failures.length === 0 ? `${tally.runs} files brought in under kills` : tally.failures[0],
  );
  const [{ after }] = lanes;
  report.holds(
    'every row as in the undisturbed run',
    tally.differences.length === 0,
    tally.differences.length === 0
      ? `${after.at(-1)!.rows} rows and outcomes (${after.at(-1)!.sealedOpened} sealed values opened) compared after each of ${tally.runs} files`
      : `${tally.differences.length} differences, the first: ${tally.differences[0]}`,
  );
}
