import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { findCards } from './find-cards.ts';
import { importCards } from './import-cards.ts';
import { importTokens } from './import-tokens.ts';
import { resealCards } from './reseal-cards.ts';
import { cards } from './service.ts';
import { withdrawImport } from './withdraw-import.ts';
import { withdrawLines } from './withdraw-lines.ts';

export const serveCards = (db: Database, vault: Vault) =>
  serve(cards, {
    importCards: importCards(db),
    importTokens: importTokens(db),
    findCards: findCards(db),
    withdrawImport: withdrawImport(db),
    withdrawLines: withdrawLines(db),
    resealCards: resealCards(db, vault),
  });
