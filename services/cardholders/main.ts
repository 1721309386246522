import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { findCardholders } from './find-cardholders.ts';
import { importCardholders } from './import-cardholders.ts';
import { cardholders } from './service.ts';
import { withdrawImport } from './withdraw-import.ts';

export const serveCardholders = (db: Database) =>
  serve(cardholders, {
    importCardholders: importCardholders(db),
    findCardholders: findCardholders(db),
    withdrawImport: withdrawImport(db),
  });
