import { administer, type AccessParts } from './administer.ts';
import { lockClient } from './store.ts';

/** Its secrets go at once: a code that nothing is compared with any more need not be kept. */
export const revokeClient =
  (parts: AccessParts) =>
  ({ actor, clientId }: { actor: string; clientId: string }) =>
    administer(parts, actor, async (tx, tell) => {
      const { name, revokedAt } = await lockClient(tx, clientId);
      if (revokedAt) return { revokedAt, wasRevoked: true };
      await tx.run`delete from access.secrets where client_id = ${clientId}`;
      const [revoked] = await tx.rows<{ revokedAt: Date }>`
        update access.clients set revoked_at = clock_timestamp() where client_id = ${clientId}
        returning revoked_at as "revokedAt"`;
      await tell({ action: 'clients.revoked', subject: clientId, details: { name } });
      return { revokedAt: revoked.revokedAt, wasRevoked: false };
    });
