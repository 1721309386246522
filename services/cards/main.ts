import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { countIssuedHere } from './count-issued-here.ts';
import { findCardsByPan } from './find-cards-by-pan.ts';
import { findCards } from './find-cards.ts';
import { importCards } from './import-cards.ts';
import { importTokens } from './import-tokens.ts';
import { listCardsOfRange } from './list-cards-of-range.ts';
import { listTokensOfRange } from './list-tokens-of-range.ts';
import { openCards } from './open-cards.ts';
import { openPinValues } from './open-pin-values.ts';
import { listCards, readCard } from './read-cards.ts';
import { resealCards } from './reseal-cards.ts';
import { cards } from './service.ts';
import { withdrawImport } from './withdraw-import.ts';
import { withdrawLines } from './withdraw-lines.ts';

export const serveCards = (db: Database, vault: Vault) =>
  serve(cards, {
    readCard: readCard(db),
    listCards: listCards(db),
    importCards: importCards(db),
    importTokens: importTokens(db),
    findCards: findCards(db),
    findCardsByPan: findCardsByPan(db),
    openCards: openCards(db, vault),
    listCardsOfRange: listCardsOfRange(db, vault),
    listTokensOfRange: listTokensOfRange(db, vault),
    openPinValues: openPinValues(db, vault),
    countIssuedHere: countIssuedHere(db, vault),
    withdrawImport: withdrawImport(db),
    withdrawLines: withdrawLines(db),
    resealCards: resealCards(db, vault),
  });
