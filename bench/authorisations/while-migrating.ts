import { cellText } from '#delivery/cells/cell-name.ts';
import type { MigrationReport } from '#services/migrations/books/report.ts';
import { runRelevo } from '../lab/run-relevo.ts';
import type { Workspace } from '../lab/workspace.ts';
import type { PreparedCell } from './prepare-cell.ts';

interface Beside<Answer> {
  readonly answer: Answer;
  /** Of the migration, from its start to closed books. */
  readonly cardsPerSecond: number;
}

/** Cards and ids of these seeds are no cards that are here already. */
let nextSeed = 1000;

/** Runs `work` while a portfolio of further cards moves into the cell, and waits for both. */
export async function whileMigrating<Answer>(
  workspace: Workspace,
  { name, role }: PreparedCell,
  cards: number,
  work: () => Promise<Answer>,
): Promise<Beside<Answer>> {
  const seed = nextSeed++;
  // Another earlier processor: each numbers its files from 1.
  const file = await workspace.makeFile(cards, role, { seed, source: `bench-${seed}` });
  const migrating = runRelevo<MigrationReport>(workspace, [
    ...['migrate', 'start', file.path, '--cell', cellText(name), '--wait'],
  ]);
  const [answer, report] = await Promise.all([work(), migrating]);
  if (report.reconciled !== true) throw new Error(`the migration did not close its books: ${report.state}`);
  return { answer, cardsPerSecond: cards / report.seconds! };
}
