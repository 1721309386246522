import type { Database } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import { outcomesOf } from './books/report.ts';
import type { MigrationView, PageOfMigrations } from './public.ts';
import { chunkTotals, findMigration, listMigrations as all, type Migration } from './store.ts';
import { addTotals, noTotals } from './work/chunk-totals.ts';

const PAGE = 100;

export const listMigrations = (db: Database) => async (): Promise<PageOfMigrations> => {
  const newest = (await all(db)).reverse().slice(0, PAGE);
  return { migrations: await Promise.all(newest.map((each) => viewOf(db, each))) };
};

export const readMigration =
  (db: Database) =>
  async ({ number }: { number: string }): Promise<MigrationView> => {
    const found = await findMigration(db, Number(number));
    if (!found)
      throw new Refusal('unknown_migration', 'No migration of this number is here.', {
        advice: 'GET /v1/migrations lists them.',
      });
    return viewOf(db, found);
  };

async function viewOf(db: Database, migration: Migration): Promise<MigrationView> {
  const totals = noTotals();
  for (const each of await chunkTotals(db, migration.importNumber)) addTotals(totals, each);
  return {
    number: migration.importNumber,
    state: migration.state,
    paused: migration.paused,
    kind: migration.kind,
    file_id: migration.fileId,
    refusal_code: migration.refusalCode,
    rows: migration.rows,
    outcomes: outcomesOf(totals),
    reconciled: migration.reconciled,
    started_at: migration.startedAt.toISOString(),
    completed_at: migration.completedAt?.toISOString() ?? null,
  };
}
