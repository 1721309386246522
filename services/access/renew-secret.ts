import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccessKeys } from './access-keys.ts';
import { administer, type AccessParts } from './administer.ts';
import { hintOf, newClientSecret } from './client-secret.ts';
import type { AccessCode, NewSecret } from './service.ts';
import { insertSecret, lockClient } from './store.ts';

const OVERLAP_SECONDS_MAX = 30 * 24 * 3600;
/** Each is compared with what a client sends. */
const SECRETS_MAX = 5;

export const renewSecret =
  (parts: AccessParts, keys: AccessKeys) =>
  async (wanted: {
    actor: string;
    clientId: string;
    overlapSeconds: number;
  }): Promise<NewSecret & { othersValidUntil: Date }> => {
    const { actor, clientId, overlapSeconds } = wanted;
    checkOverlap(overlapSeconds);
    return administer(parts, actor, async (tx, tell) => {
      const { name, scopes, revokedAt } = await lockClient(tx, clientId);
      if (revokedAt)
        throw new Refusal<AccessCode>(
          'client_revoked',
          `Client ${clientId} was revoked and gets no secret any more.`,
          { advice: 'Add another client with relevo client add.' },
        );
      const othersValidUntil = await endOthers(tx, clientId, overlapSeconds);
      await checkCount(tx, clientId);
      const secret = newClientSecret();
      await insertSecret(tx, clientId, keys.codeOfSecret(clientId, secret), hintOf(secret));
      const details = { name, overlap_seconds: overlapSeconds };
      await tell({ action: 'clients.secret_renewed', subject: clientId, details });
      return { clientId, name, scopes, secret, othersValidUntil };
    });
  };

function checkOverlap(seconds: number): void {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= OVERLAP_SECONDS_MAX) return;
  throw new Refusal<AccessCode>('bad_overlap', 'The overlap is not a time from 0 to 30 days.', {
    advice: 'Give it like --overlap 24h, or --overlap 0 where the older secret has leaked.',
  });
}

/** Gives the others their end, and an earlier one where they had a later; those that are over go. */
async function endOthers(tx: Tx, clientId: string, overlapSeconds: number): Promise<Date> {
  const [{ end }] = await tx.rows<{ end: Date }>`
    select date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => ${overlapSeconds}) as end`;
  await tx.run`
    update access.secrets set valid_until = least(valid_until, ${end}::timestamptz)
     where client_id = ${clientId}`;
  await tx.run`delete from access.secrets where client_id = ${clientId} and valid_until <= clock_timestamp()`;
  return end;
}

async function checkCount(tx: Tx, clientId: string): Promise<void> {
  const [{ others }] = await tx.rows<{ others: bigint }>`
    select count(*) as others from access.secrets where client_id = ${clientId}`;
  if (others < SECRETS_MAX) return;
  throw new Refusal<AccessCode>(
    'too_many_secrets',
    `Client ${clientId} has ${others} valid secrets, which is as many as it may have.`,
    { advice: 'Wait until one of them ends, or end them all with --overlap 0.' },
  );
}
