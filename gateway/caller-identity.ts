import { createPrivateKey, type JsonWebKey } from 'node:crypto';
import type { JWK } from 'jose';
import { audienceOf, CallerIdentity } from '#runtime/identity/caller-identity.ts';
import type { CallerFacts } from './handle-request.ts';

const NAME = 'gateway';

/** Makes what tells a cell's process that the gateway calls, and for which client. */
export function callerIdentity(
  privateJwk: JWK,
  now?: () => number,
): (caller: CallerFacts) => Promise<string> {
  const key = createPrivateKey({ key: privateJwk as JsonWebKey, format: 'jwk' });
  const identity = new CallerIdentity(NAME, { kid: privateJwk.kid ?? NAME, key }, now);
  return ({ cell, clientId, scopes }) =>
    identity.present(audienceOf(cell), clientId === null ? undefined : { clientId, scopes });
}
