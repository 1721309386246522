import type { PrivateKey, PublicKey } from 'openpgp';
import type { Client } from '#declare/service.ts';
import type { Database } from '#runtime/database/database.ts';
import type { audit } from '#services/audit/service.ts';
import type { cardholders } from '#services/cardholders/service.ts';
import type { cards } from '#services/cards/service.ts';
import type { ledger } from '#services/ledger/service.ts';
import type { migrations } from '#services/migrations/service.ts';

/** The services that the operator's side of authorisations calls. */
export interface CutoverClients {
  readonly audit: Client<typeof audit>;
  readonly cards: Client<typeof cards>;
  readonly cardholders: Client<typeof cardholders>;
  readonly ledger: Client<typeof ledger>;
  readonly migrations: Client<typeof migrations>;
}

/** What ranges, cutovers and hand-backs stand on in one cell. */
export interface CutoverCell {
  readonly tenant: string;
  readonly environment: string;
  /** The authorisations service's own tables. */
  readonly db: Database;
  readonly clients: CutoverClients;
  /** The cell's own key pairs and the tenant's registered keys; read when first asked for. */
  keys(): Promise<{ readonly cell: readonly PrivateKey[]; readonly tenant: readonly PublicKey[] }>;
}
