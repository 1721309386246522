import type { Database } from '#runtime/database/database.ts';
import type { FoundClient } from './service.ts';

/** Whether a secret has come to its end is judged by the database's clock, one for all processes. */
export const findClient =
  (db: Database) =>
  async ({ clientId }: { clientId: string }): Promise<FoundClient | null> => {
    const [client] = await db.rows<Omit<FoundClient, 'secretCodes'> & { codes: Buffer[] }>`
      select client_id as "clientId", scopes, revoked_at is not null as "isRevoked",
             array(select code from access.secrets
                    where secrets.client_id = clients.client_id
                      and (valid_until is null or valid_until > clock_timestamp())) as codes
        from access.clients where client_id = ${clientId}`;
    if (!client) return null;
    const { codes, ...found } = client;
    return { ...found, secretCodes: codes.map((code) => code.toString('base64')) };
  };
