import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { lastBooks } from './last-books.ts';
import { listMigrations, readMigration } from './read-migrations.ts';
import { migrations } from './service.ts';

/** What other services may ask; migrations themselves are run by the operator's commands. */
export const serveMigrations = (db: Database) =>
  serve(migrations, {
    lastBooks: lastBooks(db),
    listMigrations: listMigrations(db),
    readMigration: readMigration(db),
  });
