import type { Server } from '#runtime/postgres/server.ts';
import { readCellFile } from '../cells/cell-file.ts';
import { type CellName, cellText } from '../cells/cell-name.ts';
import { openAudit } from '../cells/open-audit.ts';
import { openCell } from '../cells/open-cell.ts';
import { asOwner } from './cell-door.ts';

/**
 * Enters into a cell's trail that it is about to be destroyed without an export. A cell is removed so when nothing is in it,
 * and when it cannot be opened any more: one whose trail cannot be written to is passed over, and the certificate alone says who did it.
 */
export async function tellOfRemoval(
  server: Server,
  home: string,
  name: CellName,
  operator: string,
): Promise<void> {
  if (!(await readCellFile(home, name).catch(() => null))) return;
  const cell = await openCell(asOwner(server), home, name);
  try {
    const entry = { actor: operator, action: 'cell.removal_begun', subject: cellText(name) };
    const details = { export: 'none' };
    await (await openAudit(cell, 'cells')).appendEntries([{ ...entry, details }]);
  } catch {
    // Whatever keeps it from being told keeps nothing from being destroyed.
  } finally {
    await cell.close();
  }
}
