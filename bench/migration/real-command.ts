import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { cellText } from '#delivery/cells/cell-name.ts';
import type { MigrationReport } from '#services/migrations/books/report.ts';
import { RELEVO } from '../lab/run-relevo.ts';
import type { Measured } from '../meter/meter.ts';
import type { PortfolioFile, Workspace } from '../lab/workspace.ts';

export interface CommandRun {
  readonly measured: Measured;
  /** What the command says itself; it does not count its own start. */
  readonly secondsReported: number;
  readonly lines: number;
  readonly databaseBytes: number;
}

/** The role of the cells that files are made for. */
export const TENANT_ROLE = 'main';

/**
 * Moves a file into a fresh cell by the command that an operator would type, from its start to its end: file to
 * committed, reconciled, and result file sealed. Leaves the cell for whoever wants to read it.
 */
export async function runRealCommand(
  workspace: Workspace,
  file: PortfolioFile,
  workers: number,
): Promise<CommandRun> {
  const cell = await workspace.freshCell(TENANT_ROLE);
  const before = await workspace.databaseBytes(cell);
  const startedAt = performance.now();
  const child = spawn(
    RELEVO,
    [
      ...['migrate', 'start', file.path, '--cell', cellText(cell)],
      ...['--wait', '--json', '--workers', String(workers)],
    ],
    { env: workspace.environment, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  workspace.children.add(child);
  const finish = await workspace.meter.begin(child.pid!);
  const [answer] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  workspace.children.delete(child);
  const measured = await finish((performance.now() - startedAt) / 1000);
  const report = JSON.parse(answer) as MigrationReport & { error?: unknown };
  const lines = Object.values(report.rows ?? {}).reduce((sum, rows) => sum + rows, 0);
  // A run that did not bring every card through is no figure.
  if (report.state !== 'completed' || report.reconciled !== true || report.outcomes.migrated !== lines)
    throw new Error(`the migration did not close its books: ${answer}`);
  return {
    measured,
    secondsReported: report.seconds,
    lines,
    databaseBytes: (await workspace.databaseBytes(cell)) - before,
  };
}
