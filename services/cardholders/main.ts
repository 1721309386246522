import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { importCardholders } from './import-cardholders.ts';
import { cardholders } from './service.ts';
import { withdrawImport } from './withdraw-import.ts';

export const serveCardholders = (db: Database) =>
  serve(cardholders, { importCardholders: importCardholders(db), withdrawImport: withdrawImport(db) });
