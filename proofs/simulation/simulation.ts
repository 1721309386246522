import { Option } from 'commander';
import { wholeNumber } from '#cli/options.ts';
import { endOf } from '../lab/command.ts';
import { type Lab, withLab } from '../lab/lab.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import type { Report } from '../lab/report.ts';
import type { Proof } from '../prove.ts';
import { Broken, bringFile, fullFile, type Plan, Simulation, type Tally } from './play.ts';

export const simulation: Proof = {
  name: 'simulation',
  promise:
    'Whatever is sent, in whatever order and however often, and whatever breaks meanwhile: every message has one answer, and money moves once.',
  about: `A history of messages is drawn from the seed and sent in bursts to two serving processes of one cell, a range of its
own and one that an earlier processor decides: authorisations, purchases, refunds, clearings, advices, reversals that
are whole, in part, early; repeats, and the same message with other content. Processes are killed and die at places of
their work, connections are cut, clocks jump, the earlier processor is slow and silent, deltas come in. The laws of the
ledger are looked at all the time, balances against a model of what was answered.`,
  takes: 'about half a minute a seed',
  example: 'npm run prove -- simulation --seed 1 --seeds 5',
  options: [
    new Option('--seed <n>', 'draws messages and faults').argParser(wholeNumber(0, 2 ** 32 - 1)).default(1),
    new Option('--seeds <n>', 'so many seeds, one after the other')
      .argParser(wholeNumber(1, 10_000))
      .default(1),
    new Option('--steps <n>', 'bursts of messages').argParser(wholeNumber(1, 100_000)).default(120),
    new Option('--cards <n>', 'cards; few of them, so that messages meet')
      .argParser(wholeNumber(3, 1_000))
      .default(12),
  ],
  run: ({ seed, seeds, steps, cards }, report) => proveSimulation({ seed, seeds, steps, cards }, report),
};

export interface SimulationOptions extends Plan {
  readonly seeds: number;
}

const FRESH = 'fresh';
const FILE_MS_MAX = 120_000;

export const proveSimulation = (options: SimulationOptions, report: Report): Promise<void> =>
  withLab({ RELEVO_CHUNK_LINES: '4' }, async (lab) => {
    const cell = await freshCell(lab, options.cards);
    report.progress('the full file is in');
    const total = new Map<keyof Tally, number>();
    for (let i = 0; i < options.seeds; i++) {
      const seed = (options.seed + i) % 2 ** 32;
      if (i > 0) await cell.setBack(FRESH);
      const run = new Simulation(cell, { ...options, seed });
      const again = `npm run prove -- simulation --seed ${seed} --steps ${options.steps} --cards ${options.cards}`;
      const broken = await run.run().then(
        () => null,
        (error: unknown) => {
          if (error instanceof Broken) return error;
          throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
        },
      );
      for (const [what, count] of Object.entries(run.tally) as [keyof Tally, number][])
        total.set(what, (total.get(what) ?? 0) + count);
      report.progress(`seed ${seed}: ${broken ? broken.message : toldOf(run.tally)}`);
      if (!broken) continue;
      report.holds(`seed ${seed}`, false, `${broken.message}; again: ${again}`);
      for (const line of broken.history) report.progress(`  ${line}`);
    }
    report.holds(
      'seeds whose laws held',
      report.broken.length === 0,
      `${options.seeds - report.broken.length}`,
    );
    for (const [what, count] of total) report.tells(WORDS[what], String(count));
  });

/** A cell that has had its full file, and can be set back to that. */
async function freshCell(lab: Lab, cards: number): Promise<ProofCell> {
  const cell = await ProofCell.open(lab, 'production');
  const running = await bringFile(cell, fullFile(cell.name.tenant, cards).text, 'full.gpg');
  const ended = await endOf(running, FILE_MS_MAX);
  if (ended?.code !== 0)
    throw new Error(`the full file did not come in: ${ended ? ended.stdout + ended.stderr : 'it hung'}`);
  await cell.keep(FRESH);
  return cell;
}

const WORDS: Readonly<Record<keyof Tally, string>> = {
  messages: 'messages',
  asked: 'times that one was sent',
  askedAgain: 'answers that ask for it again (91, 96)',
  kills: 'processes killed',
  crashes: 'processes that died at a place of their work',
  cuts: 'times that connections to the database were cut',
  jumps: 'jumps of the clock',
  processorFaults: 'faults of the earlier processor',
  deltas: 'deltas that came in',
  expired: 'holds that were made to expire',
  checkpoints: 'times that all balances were held against the model',
  passedOn: 'messages that were answered before another answer went on record',
};

const toldOf = ({ messages, asked, kills, crashes, cuts, jumps, deltas, checkpoints }: Tally): string =>
  `${messages} messages sent ${asked} times, ${kills + crashes} processes died, ${cuts} cuts, ${jumps} jumps,` +
  ` ${deltas} deltas, ${checkpoints} checkpoints`;
