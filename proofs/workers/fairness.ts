import { setTimeout as sleep } from 'node:timers/promises';
import { count, seconds } from '#cli/output.ts';
import { endOf } from '../lab/command.ts';
import type { Lab } from '../lab/lab.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import type { Report } from '../lab/report.ts';
import { waitFor } from '../lab/wait.ts';

/** Large enough that the small one comes to its work while the large one is at it. */
const LARGE_CARDS_MIN = 60_000;
const SAMPLE_MS = 100;
/** Longer than this no cell may stand still while both have work. */
const STANDSTILL_MS_MAX = 3_000;

interface Sample {
  readonly ms: number;
  readonly first: number;
  readonly second: number;
}

/** A small portfolio comes while a large one is under way in another cell: it must not wait for it. */
export async function sharedServer(
  lab: Lab,
  { cards, seed }: { cards: number; seed: number },
  report: Report,
): Promise<void> {
  const large = await ProofCell.open(lab, 'staging');
  const small = await ProofCell.open(lab, 'demo');
  const sizes = { large: Math.max(2 * cards, LARGE_CARDS_MIN), small: Math.ceil(cards / 4) };
  const files = {
    large: await large.sample('large.gpg', { cards: sizes.large, seed, kind: 'full' }),
    small: await small.sample('small.gpg', { cards: sizes.small, seed, kind: 'full' }),
  };
  const start = (cell: ProofCell, file: string) =>
    lab.start(['migrate', 'start', file, '--cell', cell.text, '--wait', '--workers', '2', '--json']);
  const linesDone = async (cell: ProofCell) => (await cell.lastMigration())?.linesDone ?? 0;
  const first = start(large, files.large);
  await waitFor(async () => (await linesDone(large)) > 0 || first.hasEnded(), { msMax: 60_000 });
  const second = start(small, files.small);
  const samples: Sample[] = [];
  const since = performance.now();
  let largeRunning = true;
  let together = 0;
  while (!second.hasEnded()) {
    if (performance.now() - since > 120_000) break;
    largeRunning &&= !first.hasEnded();
    const [a, b] = await Promise.all([linesDone(large), linesDone(small)]);
    if (largeRunning && b > 0) together++;
    samples.push({ ms: Math.round(performance.now() - since), first: a, second: b });
    await sleep(SAMPLE_MS);
  }
  const secondSeconds = (performance.now() - since) / 1000;
  const ends = await Promise.all([endOf(first, 120_000), endOf(second, 1_000)]);
  report.details['progress of two cells'] = samples;
  report.holds(
    'both cells were migrated',
    ends.every((end) => end?.code === 0),
    ends.map((end) => `exit status ${end?.code}`).join(', '),
  );
  report.holds(
    'the small migration did not wait for the large one',
    together > 0,
    `${small.text} (${count(sizes.small)} cards) was through after ${seconds(secondSeconds)}, ${large.text} (${count(sizes.large)} cards) ${largeRunning ? 'still under way' : 'had ended meanwhile'}; ${together} samples saw both at work`,
  );
  const shared = samples.filter((sample) => sample.second > 0);
  const stills = [standstill(shared, 'first'), standstill(shared, 'second')];
  report.holds(
    'neither cell stood still while both had work',
    shared.length > 1 && Math.max(...stills) < STANDSTILL_MS_MAX,
    `${shared.length} samples; longest without progress: ${large.text} ${stills[0]} ms, ${small.text} ${stills[1]} ms`,
  );
  const picks = shared.filter((_, i) => i % Math.max(1, Math.floor(shared.length / 5)) === 0).slice(0, 6);
  report.tells(
    'lines done in both, as time went on',
    picks
      .map(({ ms, first: a, second: b }) => `${(ms / 1000).toFixed(1)} s: ${count(a)} | ${count(b)}`)
      .join('  '),
  );
}

/** The longest run of samples without progress. */
function standstill(samples: readonly Sample[], of: 'first' | 'second'): number {
  let longest = 0;
  let movedAt = samples[0]?.ms ?? 0;
  for (let i = 1; i < samples.length; i++)
    if (samples[i][of] > samples[i - 1][of]) {
      longest = Math.max(longest, samples[i].ms - movedAt);
      movedAt = samples[i].ms;
    }
  return Math.max(longest, of === 'first' ? (samples.at(-1)?.ms ?? 0) - movedAt : 0);
}
