import { Option } from 'commander';
import { wholeNumber } from '#cli/options.ts';
import { rehearsalDocument } from '#cli/show-rehearsal.ts';
import { ServingProcess } from '#rehearsal/serving-process.ts';
import { type Ending, Stage, type Watcher } from '#rehearsal/stage.ts';
import { judge, totals } from '#rehearsal/verdict.ts';
import { sampleCards } from '#simulators/portfolio/sample.ts';
import { withLab } from '../lab/lab.ts';
import type { Report } from '../lab/report.ts';
import type { Proof } from '../prove.ts';
import { crashThroughFlip } from './crash-flip.ts';
import { Front } from './front.ts';
import {
  cutLink,
  cutNetwork,
  dieAt,
  killServing,
  muteProcessor,
  processorAway,
  type Scene,
  slowProcessor,
} from './scenes.ts';

export const cutover: Proof = {
  name: 'cutover',
  promise:
    'No message is left unanswered and none is decided twice, whatever dies while BIN ranges change hands; all books are equal.',
  about: `Two serving processes stand behind a front; a simulated network sends at a steady rate the whole time, and a
simulated earlier processor owns the cards. A full file is migrated meanwhile. Serving processes are killed and die at
places of their work; the earlier processor is slow, mute, cut off; connections of the network break; commands that flip
die at every crash point and are given again. In the end every request must have been decided by exactly one side,
every repeat answered as its original was, and every account be what the reckoning and the earlier processor say.`,
  takes: 'about 3 minutes',
  example: 'npm run prove -- cutover --seed 1',
  options: [
    new Option('--seed <s>', 'which cards and purchases').default(1).argParser(wholeNumber(0, 2 ** 32 - 1)),
    new Option('--cards <n>', 'cards of the earlier processor')
      .default(3000)
      .argParser(wholeNumber(100, 100_000)),
    new Option('--rate <n>', 'messages a second').default(150).argParser(wholeNumber(10, 2000)),
  ],
  run: ({ seed, cards, rate }, report) => proveCutover({ seed, cards, rate }, report),
};

/** Budgets that are short, so that faults of seconds are long. */
const SETTINGS = { RELEVO_MESSAGE_BUDGET_MS: '2000' };
const NETWORK_BUDGET_MS = 2_500;
const PROCESSOR_BUDGET_MS = 500;

export interface CutoverOptions {
  readonly seed: number;
  readonly cards: number;
  readonly rate: number;
  /** The test leaves out what makes a gate wait for a minute: processes that die before a flip, and its bar. */
  readonly isShort?: boolean;
}

export const proveCutover = (options: CutoverOptions, report: Report): Promise<void> =>
  withLab(SETTINGS, async (lab) => {
    let stage: Stage | null = null;
    const front = await Front.open(() =>
      (stage?.serving ?? starting).filter(({ hasEnded }) => !hasEnded).map(({ port }) => port),
    );
    const starting: ServingProcess[] = [];
    try {
      stage = await Stage.open({
        server: await lab.server(),
        home: lab.home,
        tenant: lab.tenant,
        environment: lab.environment,
        folder: lab.folder,
        portfolio: await sampleCards({
          seed: options.seed,
          cards: options.cards,
          tenant: lab.tenant,
          environment: 'production',
        }),
        rate: options.rate,
        seed: options.seed,
        watcher: watcherOf(report),
        signal: new AbortController().signal,
        operator: 'the proof',
        windowMessages: Math.max(10, Math.round(options.rate / 4)),
        agreementBar: options.isShort ? '0' : '0.99',
        budgetMs: NETWORK_BUDGET_MS,
        processorBudgetMs: PROCESSOR_BUDGET_MS,
        serve: async (cell) => {
          for (let i = 0; i < 2; i++) starting.push(await ServingProcess.start(cell, lab.environment));
          return { processes: starting, port: front.port };
        },
      });
      await playScenes({ lab, stage, report, seconds: options.isShort ? 2 : 4 }, options);
    } finally {
      await stage?.close();
      await front.close();
    }
  });

async function playScenes(scene: Scene, { isShort = false }: CutoverOptions): Promise<void> {
  const { stage, report, seconds } = scene;
  await stage.begin();
  await stage.phase('full file', 'migrated while messages go on', {
    seconds,
    play: async (note) => {
      const { reconciled } = await stage.bringIn('full', note);
      report.holds('the books of the full file are closed', reconciled === true, String(reconciled));
    },
  });
  if (!isShort) {
    await killServing(scene, 'killed');
    for (const point of ['message:answered', 'message:moved', 'message:followed'])
      await dieAt(scene, `dies relaying ${point}`, point);
  }
  await slowProcessor(scene);
  await muteProcessor(scene);
  await cutLink(scene);
  await cutNetwork(scene);
  await crashFlips(scene, 'cutover', 'flip dies');
  if (!isShort) {
    await killServing(scene, 'killed own');
    for (const point of ['message:moved', 'message:recorded'])
      await dieAt(scene, `dies deciding ${point}`, point);
  }
  await processorAway(scene);
  await crashFlips(scene, 'rollback', 'rollback dies');
  await stage.phase('relay again', 'until the gate is green', {
    seconds,
    play: (note) => stage.approve('cutover', note, GATE_MS_MAX),
  });
  await stage.phase('cutover again', 'flipped once more', { seconds: 2, play: () => stage.flip('cutover') });
  await killServing(scene, 'killed at last');
  report.progress('the network pauses; what is under way comes to its end');
  const ending = await stage.end();
  const told = { ending, migrated: [], promises: judge(ending, []), seconds: report.seconds };
  // Under faults both sides may see messages in another order; the gate's bar was met, and that is what counts.
  for (const { what, held, found } of told.promises)
    if (what === AGREEMENT) report.tells(what, found);
    else report.holds(what, held, found);
  await tellDifferences(stage, ending, report);
  for (const example of ending.deciders.examples) report.progress(example);
  const total = totals(ending.phases);
  report.tells('answered after their budget, by a repeat', `${total.overBudget} of ${total.sent}`);
  report.tells('the longest time without any answer', `${total.longestGapMs.toFixed(0)} ms`);
  Object.assign(report.details, rehearsalDocument(told));
  for (const each of stage.serving) for (const line of trouble(each)) report.progress(line);
}

const AGREEMENT = 'both sides agreed in shadow';
const GATE_MS_MAX = 180_000;

const HISTORIES_MAX = 4;

/** What the first accounts that differ have been through: without it a failure could only be repeated. */
async function tellDifferences(stage: Stage, { books }: Ending, report: Report): Promise<void> {
  const sides = Object.entries({ reckoning: books.reckoning, 'earlier processor': books.earlier });
  for (const [side, { differences }] of sides)
    for (const { account, expected, actual } of differences.slice(0, HISTORIES_MAX)) {
      report.progress(
        `account ${account}: ${side} ${JSON.stringify(expected)}, ledger ${JSON.stringify(actual)}`,
      );
      for (const line of await stage.historyOf(account)) report.progress(`  ${line}`);
    }
}

/** The first range is flipped through every crash point, the others in one go, while messages go on. */
async function crashFlips(
  { lab, stage, report, seconds }: Scene,
  direction: 'cutover' | 'rollback',
  name: string,
): Promise<void> {
  await stage.phase(`before ${name}`, 'until the gate is green and two have approved', {
    seconds,
    play: (note) => stage.approve(direction, note, GATE_MS_MAX),
  });
  const [first, ...others] = stage.ranges;
  await stage.phase(name, `the ${direction} dies at every crash point and is given again`, {
    seconds: 2,
    play: async () => {
      await crashThroughFlip(lab, stage, first, direction, report);
      await stage.flip(direction, others);
    },
  });
}

const watcherOf = (report: Report): Watcher => ({
  phaseBegins: (name, about) => report.progress(`${name}: ${about}`),
  tick: () => {},
  phaseEnds: ({ name, sent, answered, overBudget }) =>
    report.progress(`${name}: ${sent} sent, ${answered} answered, ${overBudget} of them after their budget`),
});

const trouble = ({ said }: ServingProcess): string[] => said.split('\n').filter(Boolean).slice(-3);
