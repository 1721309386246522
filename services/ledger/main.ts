import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import { accountsAt } from './accounts-at.ts';
import { balancesOf } from './balances-of.ts';
import { findAccountConflicts } from './find-account-conflicts.ts';
import { hasEarlierAccounts } from './has-earlier-accounts.ts';
import { holdsAt } from './holds-at.ts';
import { importHolds } from './import-holds.ts';
import { moveForMessages } from './move-for-messages.ts';
import { readAccount } from './read-account.ts';
import { releaseExpiredHolds } from './release-expired-holds.ts';
import { ledger } from './service.ts';
import { stateAccounts } from './state-accounts.ts';
import { totalsOfImport } from './totals-of-import.ts';
import { withdrawImport } from './withdraw-import.ts';

export const serveLedger = (db: Database) =>
  serve(ledger, {
    readAccount: readAccount(db),
    findAccountConflicts: findAccountConflicts(db),
    hasEarlierAccounts: hasEarlierAccounts(db),
    stateAccounts: stateAccounts(db),
    importHolds: importHolds(db),
    totalsOfImport: totalsOfImport(db),
    withdrawImport: withdrawImport(db),
    moveForMessages: moveForMessages(db),
    releaseExpiredHolds: releaseExpiredHolds(db),
    balancesOf: balancesOf(db),
    accountsAt: accountsAt(db),
    holdsAt: holdsAt(db),
  });
