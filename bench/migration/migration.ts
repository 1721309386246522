import { cellText } from '#delivery/cells/cell-name.ts';
import { count } from '#cli/output.ts';
import {
  type DatabaseFacts,
  databaseFacts,
  machine,
  type Machine,
  type SyncLatency,
  syncLatency,
} from '../machine.ts';
import { addMeasured, type Measured } from '../meter/meter.ts';
import { say } from '../say.ts';
import { ratios, sizesUpTo, type Summary } from '../statistics.ts';
import { calibrate, CARD_BY_CARD, type Trial } from './card-by-card/calibrate.ts';
import type { CardByCardOptions, CardByCardSetting } from './card-by-card/card-by-card.ts';
import { runContender } from '../lab/contender.ts';
import { type Growth, growthRow } from './growth.ts';
import { runRealCommand, TENANT_ROLE } from './real-command.ts';
import { type StageRow, stageRows } from './stage-table.ts';
import type { StagesResult } from './stages.ts';
import { type Verdict, verdictOn } from './verdict.ts';
import { type PortfolioFile, SEED, type Workspace } from '../lab/workspace.ts';

export interface MigrationBenchOptions {
  readonly cards: number;
  readonly runs: number;
  readonly workers: number;
  /** Cards of a run card by card, which is too slow for all. */
  readonly cardByCard: number;
  /** Sizes of the growth table: this one, a tenth, a hundredth, so many. */
  readonly growthSteps: number;
  /** Settings that are tried for the ways card by card. */
  readonly settings: readonly CardByCardSetting[];
}

/** One way to bring cards in, measured once each round. */
export interface Lane {
  readonly name: 'relevo' | 'ceiling' | 'queue' | 'transactions';
  readonly cards: number;
  readonly runs: readonly Measured[];
  readonly cardsPerSecond: readonly number[];
}

export interface MigrationBench {
  readonly benchmark: 'migration';
  readonly options: MigrationBenchOptions;
  readonly machine: Machine;
  readonly database: DatabaseFacts;
  readonly sync: SyncLatency;
  readonly file: Omit<PortfolioFile, 'path'> & { readonly lines: number };
  readonly lanes: readonly Lane[];
  readonly databaseBytes: number;
  /** How many times the product's rate is the other lane's. */
  readonly ratios: Readonly<Record<Exclude<Lane['name'], 'relevo'>, Summary>>;
  readonly calibration: Readonly<Record<'queue' | 'transactions', readonly Trial[]>>;
  readonly stages: readonly StageRow[];
  readonly growth: readonly Growth[];
  readonly verdict: Verdict;
}

/** A calibration trial lasts a second or two. */
const CALIBRATION_CARDS = 5_000;
const CEILING = new URL('ceiling.ts', import.meta.url);
const STAGES = new URL('stages.ts', import.meta.url);

export async function benchMigration(
  options: MigrationBenchOptions,
  workspace: Workspace,
): Promise<MigrationBench> {
  const { cards, runs, workers } = options;
  const facts = {
    machine: machine(),
    database: await databaseFacts(workspace.probe),
    sync: await syncLatency(workspace.home),
  };
  say(`making a portfolio of ${count(cards)} cards ...`);
  const file = await workspace.makeFile(cards, TENANT_ROLE);
  say(`warming up and calibrating card by card ...`);
  const sizes = sizesUpTo(cards, options.growthSteps);
  await warmUp(workspace, workers);
  const few = Math.min(CALIBRATION_CARDS, options.cardByCard);
  const calibration = {
    queue: await calibrate(workspace, 'queue', few, options.settings),
    transactions: await calibrate(workspace, 'transactions', few, options.settings),
  };

  const lanes = { relevo: newLane('relevo', cards), ceiling: newLane('ceiling', cards) };
  const byCard = (['queue', 'transactions'] as const).map((how) => newLane(how, options.cardByCard));
  let lines = 0;
  let databaseBytes = 0;
  for (let round = 1; round <= runs; round++) {
    say(`round ${round} of ${runs}`);
    const ours = await runRealCommand(workspace, file, workers);
    ({ lines, databaseBytes } = ours);
    add(lanes.relevo, ours.measured);
    add(lanes.ceiling, await runCeiling(workspace));
    await workspace.dropCell(workspace.cellName(TENANT_ROLE));
    for (const lane of byCard) {
      const { setting } = calibration[lane.name as 'queue' | 'transactions'][0];
      add(lane, await runCardByCard(workspace, lane.name as 'queue' | 'transactions', setting, lane.cards));
    }
  }

  say('the stages one by one');
  const stages = await runStages(workspace, file);
  const growth = [growthRow(cards, lanes.relevo.runs)];
  for (const size of sizes.slice(0, -1).reverse()) {
    say(`growth: ${count(size)} cards`);
    growth.unshift(growthRow(size, await runSize(workspace, size, options)));
  }
  const ours = lanes.relevo.cardsPerSecond;
  return {
    benchmark: 'migration',
    options,
    ...facts,
    file: { ...withoutPath(file), lines },
    lanes: [lanes.relevo, lanes.ceiling, ...byCard],
    databaseBytes,
    ratios: {
      ceiling: ratios(ours, lanes.ceiling.cardsPerSecond),
      queue: ratios(ours, byCard[0].cardsPerSecond),
      transactions: ratios(ours, byCard[1].cardsPerSecond),
    },
    calibration,
    stages,
    growth,
    verdict: verdictOn({ cards, cores: facts.machine.cores, relevo: lanes.relevo, growth }),
  };
}

type OpenLane = { -readonly [Key in keyof Lane]: Lane[Key] } & {
  runs: Measured[];
  cardsPerSecond: number[];
};

const newLane = (name: Lane['name'], cards: number): OpenLane => ({
  name,
  cards,
  runs: [],
  cardsPerSecond: [],
});

function add(lane: OpenLane, measured: Measured): void {
  const rate = lane.cards / measured.seconds;
  lane.runs.push(measured);
  lane.cardsPerSecond.push(rate);
  say(`  ${lane.name.padEnd(13)} ${measured.seconds.toFixed(2)} s, ${count(Math.round(rate))} cards/s`);
}

/** The first start of a command compiles it. */
async function warmUp(workspace: Workspace, workers: number): Promise<void> {
  await runRealCommand(workspace, await workspace.makeFile(100, TENANT_ROLE), workers);
}

/** Inserts what the migrated cell holds into an empty one. */
async function runCeiling(workspace: Workspace): Promise<Measured> {
  const into = await workspace.freshCell('ceiling');
  const from = workspace.cellName(TENANT_ROLE);
  const { parts } = await runContender(CEILING, { from: cellText(from), into: cellText(into) }, workspace);
  await workspace.dropCell(into);
  return addMeasured(parts.map(({ measured }) => measured));
}

async function runCardByCard(
  workspace: Workspace,
  how: CardByCardOptions['how'],
  setting: CardByCardSetting,
  cards: number,
): Promise<Measured> {
  const cell = await workspace.freshCell('by-card');
  const options: CardByCardOptions = { how, cell: cellText(cell), setting, cards, seed: SEED };
  const { parts } = await runContender(CARD_BY_CARD, options, workspace);
  await workspace.dropCell(cell);
  return parts[0].measured;
}

async function runStages(workspace: Workspace, file: PortfolioFile): Promise<StageRow[]> {
  const cell = await workspace.freshCell(TENANT_ROLE);
  const options = { cell: cellText(cell), path: file.path };
  const rows = stageRows(await runContender<StagesResult>(STAGES, options, workspace));
  await workspace.dropCell(cell);
  return rows;
}

async function runSize(
  workspace: Workspace,
  cards: number,
  { runs, workers }: MigrationBenchOptions,
): Promise<Measured[]> {
  const file = await workspace.makeFile(cards, TENANT_ROLE);
  const all: Measured[] = [];
  for (let run = 0; run < runs; run++) all.push((await runRealCommand(workspace, file, workers)).measured);
  return all;
}

function withoutPath({ path: _, ...file }: PortfolioFile): Omit<PortfolioFile, 'path'> {
  return file;
}
