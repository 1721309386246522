import { type MigrationCell, migrationId } from './migration-cell.ts';
import { setPaused } from './store.ts';

/**
 * Halts a migration at a chunk's edge, or lets it go on; answers whether there was anything to halt or let go. The audit
 * trail is told before the commit.
 */
export const pauseMigration = (
  cell: MigrationCell,
  importNumber: number,
  { paused, operator }: { paused: boolean; operator: string },
): Promise<boolean> =>
  cell.db.transaction(async (tx) => {
    if (!(await setPaused(tx, importNumber, paused))) return false;
    const action = paused ? 'migration.paused' : 'migration.resumed';
    await cell.audit.appendEntries([{ actor: operator, action, subject: migrationId(cell, importNumber) }]);
    return true;
  });
