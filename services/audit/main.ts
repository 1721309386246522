import { serve } from '#runtime/calls.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { appendEntries } from './append-entries.ts';
import { readEntries } from './read-entries.ts';
import { readHead } from './read-head.ts';
import { audit } from './service.ts';
import { verifyTrail } from './verify-trail.ts';

/** The vault is the process's: the service's own role in the database reads no keys. */
export const serveAudit = (db: Database, vault: Vault) =>
  serve(audit, {
    appendEntries: appendEntries(db, vault),
    readHead: readHead(db),
    readEntries: readEntries(db),
    verifyTrail: verifyTrail(db, vault),
  });
