import { endOf } from '../lab/command.ts';
import type { Random } from '../lab/random.ts';
import { differences, snapshot } from '../lab/snapshot.ts';
import { Campaign } from './campaign.ts';
import type { Tally, Undisturbed } from './crash.ts';
import { orderMatters } from './order-matters.ts';
import type { PlannedKill } from './plan.ts';

/**
 * The hardest case by itself: a file in which nearly every outcome hangs on earlier lines, and workers that die
 * when a whole chunk is imported but not recorded, so that all of it is worked again.
 */
export async function killOrdered(
  { cell }: Undisturbed,
  { chunkLines, seed }: { chunkLines: number; seed: number },
  random: Random,
  tally: Tally,
  isSmall: boolean,
): Promise<void> {
  const { lab } = cell;
  await cell.setBack('fresh');
  const lines = orderMatters((seed + 7) % 2 ** 32, Math.ceil((14 * chunkLines) / 11));
  const path = await cell.sample('ordered.gpg', { cards: 30, seed, kind: 'full', faults: 0 }, lines);
  const start = ['migrate', 'start', path, '--cell', cell.text, '--wait'];
  const alone = await endOf(lab.start(start), 60_000);
  if (alone?.code !== 0) throw new Error(`the undisturbed run failed: ${alone?.stdout}${alone?.stderr}`);
  const { chunks } = (await cell.lastMigration())!;
  const expected = await snapshot(cell);

  await cell.setBack('fresh');
  const campaign = new Campaign(cell, path, chunks, 0, random);
  const kill = (point: 'chunk:recorded' | 'accounts:stated' | 'chunk:imported'): PlannedKill => ({
    kind: 'point',
    victim: 'worker',
    point,
    times: random.between(2, 3),
  });
  const kills = [
    kill('chunk:recorded'),
    kill('accounts:stated'),
    kill('chunk:recorded'),
    kill('chunk:imported'),
  ];
  for (const each of kills.slice(0, isSmall ? 1 : 4)) await campaign.kill(each);
  const document = await campaign.finish();
  tally.kills.push(...campaign.kills);
  tally.resumptions.push(...campaign.resumptions);
  tally.failures.push(...campaign.failures);
  if (!document) return;
  const story = `where order matters, after ${campaign.kills.map(({ where }) => where).join(', ')}: `;
  tally.differences.push(...differences(expected, await snapshot(cell)).map((told) => story + told));
  tally.runs++;
}
