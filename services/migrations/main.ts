import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { lastBooks } from './last-books.ts';
import { migrations } from './service.ts';

/** What other services may ask; migrations themselves are run by the operator's commands. */
export const serveMigrations = (db: Database) => serve(migrations, { lastBooks: lastBooks(db) });
