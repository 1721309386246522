import { IDEMPOTENCY_KEY } from '#declare/http.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccessKeys } from './access-keys.ts';
import type { AccessCode, RequestName, RequestToBegin } from './service.ts';

const KEY = new RegExp(IDEMPOTENCY_KEY.pattern);

/** What a request is found by. Keys of two clients never meet, whatever they are. */
export function nameCode(keys: AccessKeys, { clientId, key }: RequestName): Buffer {
  if (!KEY.test(key))
    throw new Refusal<AccessCode>(
      'bad_idempotency_key',
      `The idempotency key is not ${IDEMPOTENCY_KEY.words}.`,
      {
        advice:
          'Send a new random UUID for each thing that you want done, and the same one again when you repeat it.',
      },
    );
  return keys.codeOfRequest('name', [clientId, key]);
}

export const contentCode = (keys: AccessKeys, { operation, fingerprint }: RequestToBegin): Buffer =>
  keys.codeOfRequest('content', [operation, fingerprint]);
