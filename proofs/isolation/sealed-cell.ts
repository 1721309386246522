import type { PrivateKey } from 'openpgp';
import type { CellFile } from '#delivery/cells/cell-file.ts';
import type { CellName } from '#delivery/cells/cell-name.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { CellKeys } from '#services/migrations/migration-cell.ts';

/** A client of a cell, with the secret that was shown once. */
export interface TriedClient {
  readonly clientId: string;
  readonly secret: string;
  /** Filled when it has been to the token endpoint. */
  token: string;
}

/** One of the cells between which crossing is tried, with everything that a thief could have taken of it. */
export interface SealedCell {
  readonly name: CellName;
  /** `quipu/staging`. */
  readonly text: string;
  readonly host: string;
  readonly database: string;
  readonly file: CellFile;
  readonly vault: Vault;
  readonly keys: CellKeys;
  readonly tenantKey: PrivateKey;
  /** Whether a portfolio was migrated into it. */
  readonly isPopulated: boolean;
  /** May do everything that is public. */
  readonly client: TriedClient;
  /** May do everything, too: what two clients of one cell must not mix up. */
  readonly second: TriedClient;
  /** Has one scope; which is the first of the release. */
  readonly narrow: TriedClient;
  /** Has a token and was revoked. */
  readonly revoked: TriedClient;
  /** Identifiers by the names that declared parameters have for them. */
  readonly ids: Readonly<Record<string, readonly string[]>>;
  /** Card numbers in the clear: canaries, and what messages name. */
  readonly pans: readonly string[];
}

export const pairsOf = <T>(cells: readonly T[]): [T, T][] =>
  cells.flatMap((here) => cells.filter((there) => there !== here).map((there): [T, T] => [here, there]));
