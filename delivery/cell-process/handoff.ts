import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { JWK } from 'jose';
import type { AllSettings } from '../local/settings.ts';
import type { CellFile } from '../cells/cell-file.ts';

/** The roles under which the process of a cell works: it is told the passwords of these and of no others. */
export const PROCESS_ROLES = ['cards', 'ledger', 'authorisations', 'migrations', 'audit', 'access'] as const;

/**
 * What a cell's process is told by whoever starts it, in one line of its standard input: the secrets of this cell and
 * nothing of any other. It reads no settings and acquires no database server.
 */
export interface Handoff {
  /** With the passwords of the process's roles alone. */
  readonly file: CellFile;
  /** Where the cell's file lies: it is read again after the keys were rotated. */
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

/** What the process tells of itself, a line of JSON each on standard output. */
export type Told =
  | { readonly state: 'serving'; readonly port: number | null; readonly http_port: number | null }
  /** Nobody asked for anything for a while: no request must come any more. */
  | { readonly state: 'idle' }
  | { readonly state: 'stopped'; readonly answered: number };

const HANDOFF_BYTES_MAX = 1_000_000;

export async function readHandoff(input: Readable): Promise<Handoff> {
  const lines = createInterface({ input });
  for await (const line of lines) {
    if (line.length > HANDOFF_BYTES_MAX) break;
    return JSON.parse(line) as Handoff;
  }
  throw new Error('nothing was handed over to this process: relevo up starts it');
}
