import type { PrivateKey, PublicKey } from 'openpgp';
import type { Client } from '#declare/service.ts';
import type { SettingValues } from '#declare/setting.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { audit } from '#services/audit/service.ts';
import type { migrationSettings } from './service.ts';
import type { ImportClients } from './work/importer.ts';
import type { Yielding } from './work/yield-to-messages.ts';

/** The cell's own key pairs and the tenant's registered keys. */
export interface CellKeys {
  readonly cell: readonly PrivateKey[];
  readonly tenant: readonly PublicKey[];
}

/** Services on which everything happens and nothing stays. */
export interface Trial {
  readonly clients: ImportClients;
  /** The migrations service's own tables. */
  readonly db: Database;
  close(): Promise<void>;
}

/** What the migrations service stands on in one cell. */
export interface MigrationCell {
  readonly tenant: string;
  readonly environment: string;
  readonly db: Database;
  readonly vault: Vault;
  /** For a process that meets a key which was made after it started. */
  refreshVault(): Promise<void>;
  readonly clients: ImportClients;
  readonly audit: Client<typeof audit>;
  /** How the work of this process gives way to the cell's live messages. */
  readonly yielding: Yielding;
  /** Read when first asked for: workers never need them. */
  keys(): Promise<CellKeys>;
  readonly settings: SettingValues<typeof migrationSettings>;
  /** Where sealed result files are written. */
  readonly resultsFolder: string;
  /** Where what does not fit into memory lies for a while, enciphered. */
  readonly tempFolder: string;
  trial(): Promise<Trial>;
}

/** `andina-production-12`: names the cell too, so that commands need no other argument. */
export const migrationId = ({ tenant, environment }: MigrationCell, importNumber: number): string =>
  `${tenant}-${environment}-${importNumber}`;
