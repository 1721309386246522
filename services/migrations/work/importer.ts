import type { Client } from '#declare/service.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { cardholders } from '#services/cardholders/service.ts';
import type { cards } from '#services/cards/service.ts';
import type { ledger } from '#services/ledger/service.ts';

/** The services that an import writes to, through the clients their declarations yield. */
export interface ImportClients {
  readonly cards: Client<typeof cards>;
  readonly cardholders: Client<typeof cardholders>;
  readonly ledger: Client<typeof ledger>;
}

/** What importing one file needs to know of it. */
export interface ImportContext {
  readonly importNumber: number;
  /** The moment that the file speaks of: its header's created_at. */
  readonly asOf: Date;
  readonly clients: ImportClients;
  readonly vault: Vault;
}
