import { documentOf, endOf } from '../lab/command.ts';
import type { Random } from '../lab/random.ts';
import { differences, resultLinesOf, sameLines, snapshot } from '../lab/snapshot.ts';
import type { MigrationDocument } from './campaign.ts';
import { sameDocument, type Tally, type Undisturbed } from './crash.ts';

const POINTS = ['load:entered', 'cards:imported#2', 'holds:imported', 'close:begun', 'close:result-written'];

/** A mock file is killed again and again: the cell must never show a trace of it, and its result must be the same. */
export async function killMocks(
  { cell, after }: Undisturbed,
  cards: number,
  seed: number,
  random: Random,
  tally: Tally,
  isSmall: boolean,
): Promise<void> {
  const { lab } = cell;
  const path = await cell.sample('mock.gpg', {
    cards: Math.ceil(cards / 3),
    seed: (seed + 1) % 2 ** 32,
    kind: 'mock',
    faults: 40,
  });
  const start = ['migrate', 'start', path, '--cell', cell.text, '--wait', '--json'];
  const run = async (): Promise<{ document: MigrationDocument; lines: string[] } | null> => {
    const ended = await endOf(lab.start(start), 60_000);
    if (ended?.code !== 0) {
      tally.failures.push(`a mock: ${ended ? ended.stdout + ended.stderr : 'it hung'}`);
      return null;
    }
    return {
      document: documentOf(ended),
      lines: await resultLinesOf(cell, (await cell.lastMigration())!.importNumber),
    };
  };
  await cell.setBack('full');
  const undisturbed = await run();
  await cell.setBack('full');
  for (const point of isSmall ? [random.pick(POINTS)] : POINTS) {
    const ended = await endOf(lab.start(start, { RELEVO_CRASH_AT: point }), 60_000);
    const state = (await cell.lastMigration())?.state ?? '';
    if (ended?.signal === 'SIGKILL')
      tally.kills.push({
        where: `mock at ${point}`,
        victim: 'mock',
        point: null,
        times: 1,
        state,
        chunksDone: 0,
      });
    else
      tally.failures.push(
        `a mock did not come to ${point}: ${ended ? ended.stdout + ended.stderr : 'it hung'}`,
      );
  }
  const disturbed = await run();
  if (!undisturbed || !disturbed) return;
  const told = (text: string) => tally.differences.push(`after a killed mock: ${text}`);
  sameLines(undisturbed.lines, disturbed.lines).forEach(told);
  sameDocument(undisturbed.document, disturbed.document).forEach(told);
  await lab.ask(
    cell.database,
    `delete from migrations.chunks using migrations.migrations m
    where m.import_number = chunks.import_number and kind = 'mock'`,
  );
  await lab.ask(cell.database, `delete from migrations.migrations where kind = 'mock'`);
  differences(after[0], await snapshot(cell)).forEach(told);
  tally.runs++;
}
