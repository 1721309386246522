import type { JWK } from 'jose';
import type { AllSettings } from '../local/settings.ts';
import type { CellFile } from '../cells/cell-file.ts';

/** The roles under which the process of a cell works: it is told the passwords of these and of no others. */
export const PROCESS_ROLES = ['cards', 'ledger', 'authorisations', 'migrations', 'audit', 'access'] as const;

/**
 * What a cell's process is told by whoever starts it: the secrets of this cell and nothing of any other. It reads no
 * settings and acquires no database server.
 */
export interface Handoff {
  /** With the passwords of the process's roles alone. */
  readonly file: CellFile;
  /** Where the cell's file lies. The process may not read there: it asks for the file. */
  readonly home: string;
  /** A connection string for each of the process's roles. */
  readonly urls: Readonly<Record<string, string>>;
  readonly settings: AllSettings;
  /** Where it answers the gateway: a path that nothing stands at, in a folder that nobody else may enter. */
  readonly socketPath: string;
  /** By which the gateway proves itself. */
  readonly gatewayKey: JWK;
  /** `iss` and `aud` of the cell's tokens. */
  readonly issuer: string;
  /** The doors of the network; null for a cell without BIN ranges. */
  readonly network: { readonly port: number; readonly httpPort: number } | null;
  /** It ends after so many seconds without a request; 0 keeps it. */
  readonly idleSeconds: number;
}

/** The cell's file as the process may know it. */
export const withProcessRoles = (file: CellFile): CellFile => ({
  ...file,
  passwords: Object.fromEntries(PROCESS_ROLES.map((role) => [role, file.passwords[role]])),
});

/** What the process is told, a line of JSON each on standard input. The handoff comes first, and once. */
export type ToCell =
  | { readonly kind: 'handoff'; readonly handoff: Handoff }
  /** The answer to `file_wanted`; null where it could not be read. */
  | { readonly kind: 'file'; readonly file: CellFile | null };

/** What the process tells of itself, a line of JSON each on standard output. */
export type Told =
  /** A spare one has loaded everything. */
  | { readonly state: 'ready' }
  | {
      readonly state: 'serving';
      readonly port: number | null;
      readonly http_port: number | null;
      /** From the start of the process until its code was loaded. */
      readonly load_ms: number;
      /** From the handoff until it served. */
      readonly serve_ms: number;
    }
  /** Keys may have been rotated: it wants its file as it is now. */
  | { readonly state: 'file_wanted' }
  /** Nobody asked for anything for a while: no request must come any more. */
  | { readonly state: 'idle' }
  | { readonly state: 'stopped'; readonly answered: number };
