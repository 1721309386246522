import { Refusal } from '#runtime/refusal.ts';
import { type MigrationCell, migrationId } from './migration-cell.ts';
import { findMigration, moveOn } from './store.ts';

/** What a cancelled migration took back. */
export interface Withdrawn {
  readonly cards: number;
  readonly cardholders: number;
  readonly accounts: number;
  readonly holds: number;
  readonly tokens: number;
}

/**
 * Cancels a migration whose books have not closed: every service takes back what it imported, so that no card is
 * left half loaded, and the file may be sent again. A worker in the middle of a chunk meets a shut gate. Run
 * again after a crash it goes on where it was. The audit trail is told before each of both states is committed.
 */
export async function cancelMigration(
  cell: MigrationCell,
  importNumber: number,
  operator: string,
): Promise<Withdrawn> {
  const migration = await findMigration(cell.db, importNumber);
  const id = migrationId(cell, importNumber);
  if (migration?.completedAt)
    throw new Refusal('already_completed', `${id} has closed its books; it can no longer be cancelled.`, {
      advice: 'Bring the cell to another state with a delta file.',
    });
  const entry = { actor: operator, subject: id };
  await cell.db.transaction(async (tx) => {
    if (await moveOn(tx, importNumber, ['loading', 'working', 'closing'], 'cancelling'))
      await cell.audit.appendEntries([{ ...entry, action: 'migration.cancel_begun' }]);
  });
  const now = await findMigration(cell.db, importNumber);
  if (now?.state !== 'cancelling')
    throw new Refusal('not_active', `${id} is ${now?.state ?? 'unknown'}; there is nothing to cancel.`);
  const { cards, cardholders, ledger } = cell.clients;
  const links = await ledger.withdrawImport({ importNumber });
  const owners = await cardholders.withdrawImport({ importNumber });
  const withdrawn = { ...(await cards.withdrawImport({ importNumber })), ...owners, ...links };
  await cell.db.transaction(async (tx) => {
    await tx.run`delete from migrations.chunks where import_number = ${importNumber}`;
    await tx.run`delete from migrations.claims where import_number = ${importNumber}`;
    await tx.run`delete from migrations.dead_letters where import_number = ${importNumber}`;
    if (!(await moveOn(tx, importNumber, ['cancelling'], 'cancelled'))) return;
    const action = 'migration.cancelled';
    // A run that died behind this has told what it took back; the next one finds nothing more.
    await cell.audit.appendEntries([
      { ...entry, action, details: { ...withdrawn }, once: `${action} ${id}` },
    ]);
  });
  return withdrawn;
}
