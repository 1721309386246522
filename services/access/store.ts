import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccessCode } from './service.ts';

export interface LockedClient {
  readonly name: string;
  readonly scopes: string[];
  readonly revokedAt: Date | null;
}

/** Locks a client's row, so that a revocation and a renewal come one after the other. */
export async function lockClient(tx: Tx, clientId: string): Promise<LockedClient> {
  const [client] = await tx.rows<LockedClient>`
    select name, scopes, revoked_at as "revokedAt" from access.clients where client_id = ${clientId} for update`;
  if (client) return client;
  throw new Refusal<AccessCode>(
    'unknown_client',
    `The cell has no client ${JSON.stringify(clientId.slice(0, 80))}.`,
    { advice: 'relevo client list shows the clients of a cell.' },
  );
}

export const insertSecret = (tx: Tx, clientId: string, code: Buffer, hint: string) => tx.run`
  insert into access.secrets (client_id, code, hint) values (${clientId}, ${code}, ${hint})`;
