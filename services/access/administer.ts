import type { Client } from '#declare/service.ts';
import type { Database, Tx } from '#runtime/database/database.ts';
import type { audit, NewEntry } from '#services/audit/service.ts';

/** What the administrative operations stand on. */
export interface AccessParts {
  readonly db: Database;
  /** Opened for an administrative act alone: processes that only serve clients never hold the trail's key. */
  readonly audit: () => Promise<Pick<Client<typeof audit>, 'appendEntries'>>;
}

/** Writes into the audit trail, within the transaction of an act, that it is done. */
export type Tell = (entry: Omit<NewEntry, 'actor'>) => Promise<void>;

/**
 * An act of an operator: one transaction whose commit waits until the audit trail tells of the act. When a process dies
 * in between, the trail tells of an act that took no effect, and never is there an act that it does not tell of.
 */
export const administer = <T>(
  { db, audit }: AccessParts,
  actor: string,
  act: (tx: Tx, tell: Tell) => Promise<T>,
): Promise<T> =>
  db.transaction((tx) =>
    act(tx, async (entry) => {
      const trail = await audit();
      await trail.appendEntries([{ actor, ...entry }]);
    }),
  );
