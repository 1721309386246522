import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccessKeys } from './access-keys.ts';
import { nameCode } from './request-codes.ts';
import type { AccessCode, HeldRequest } from './service.ts';

export const BODY_BYTES_MAX = 64 * 1024;

/**
 * Keeps the answer, if the request is still in the caller's hands. A caller that never heard whether it was kept may send
 * it again: the first answer stays.
 */
export const endRequest =
  (db: Tx, keys: AccessKeys) =>
  async ({
    epoch,
    status,
    body,
    ...request
  }: HeldRequest & { status: number; body: Uint8Array }): Promise<{ isBodyKept: boolean }> => {
    const name = nameCode(keys, request);
    const isBodyKept = body.length <= BODY_BYTES_MAX;
    const sealed = isBodyKept ? keys.sealAnswer(body, name) : null;
    const kept = await db.run`
      update access.requests
         set status = coalesce(status, ${status}), sealed_answer = case when status is null then ${sealed}::bytea else sealed_answer end
       where request_code = ${name} and epoch = ${epoch} and content_code is not null`;
    if (kept === 1) return { isBodyKept };
    throw new Refusal<AccessCode>(
      'request_taken_over',
      'The request took longer than it was leased for; another process works on it or has answered it.',
      { advice: 'Repeat it with the same idempotency key to get the answer that holds.' },
    );
  };
