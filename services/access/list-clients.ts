import type { Database } from '#runtime/database/database.ts';
import type { ClientInfo, SecretInfo } from './service.ts';

/** More than may be valid at once; revoked ones beyond are left out, the oldest first. */
const LISTED_MAX = 2_000;

type ClientRow = Omit<ClientInfo, 'secrets'>;
type SecretRow = SecretInfo & { readonly clientId: string };

export const listClients =
  (db: Database) =>
  async ({ withRevoked }: { withRevoked: boolean }): Promise<ClientInfo[]> => {
    const clients = await db.rows<ClientRow>`
      select client_id as "clientId", name, scopes, added_at as "addedAt", revoked_at as "revokedAt"
        from access.clients where revoked_at is null or ${withRevoked}
       order by revoked_at is not null, added_at desc, client_id limit ${LISTED_MAX}`;
    const secrets = await validSecrets(db);
    return clients.map((client) => ({ ...client, secrets: secrets.get(client.clientId) ?? [] }));
  };

async function validSecrets(db: Database): Promise<Map<string, SecretInfo[]>> {
  const rows = await db.rows<SecretRow>`
    select client_id as "clientId", hint, added_at as "addedAt", valid_until as "validUntil"
      from access.secrets where valid_until is null or valid_until > clock_timestamp()
     order by valid_until is not null, valid_until desc, added_at desc`;
  const byClient = new Map<string, SecretInfo[]>();
  for (const { clientId, ...secret } of rows)
    byClient.set(clientId, [...(byClient.get(clientId) ?? []), secret]);
  return byClient;
}
