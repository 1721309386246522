import type { Tx } from '#runtime/database/database.ts';
import type { AccessKeys } from './access-keys.ts';
import { nameCode } from './request-codes.ts';
import type { HeldRequest } from './service.ts';

/**
 * Ends the caller's lease and forgets what was asked, so that the key may be sent again with a better body. The row stays
 * with its epoch: that of a process that was thought dead must never come again.
 */
export const abandonRequest =
  (db: Tx, keys: AccessKeys) =>
  async ({ epoch, ...request }: HeldRequest): Promise<{ isAbandoned: boolean }> => {
    const abandoned = await db.run`
      update access.requests set content_code = null, leased_until = least(leased_until, clock_timestamp())
       where request_code = ${nameCode(keys, request)} and epoch = ${epoch} and status is null`;
    return { isAbandoned: abandoned === 1 };
  };
