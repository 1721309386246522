import type { JWK } from 'jose';

/** A key that signs tokens (ES256), as the cell file holds it. */
export interface SigningKey {
  readonly kid: string;
  readonly jwk: JWK;
  readonly madeAt: string;
}

const SIGNS = { alg: 'ES256', use: 'sig' } as const;

export const privateJwk = ({ kid, jwk }: SigningKey): JWK => ({ ...jwk, kid, ...SIGNS });

/** What everybody may know of a key; with it the gateway verifies what the key has signed. */
export const publicJwk = ({ kid, jwk: { kty, crv, x, y } }: SigningKey): JWK => ({
  kty,
  crv,
  x,
  y,
  kid,
  ...SIGNS,
});

/**
 * How long a new key is only published: whoever verifies has read it by the time a token is signed with it. An earlier
 * one signs meanwhile, where there is one.
 */
const PUBLISHED_MS = 10_000;

/** The key that signs, of keys whose newest is last. */
export function signingKey(keys: readonly SigningKey[], now: Date): SigningKey {
  const known = keys.findLast(({ madeAt }) => now.getTime() - Date.parse(madeAt) >= PUBLISHED_MS);
  const key = known ?? keys.at(-1);
  if (!key) throw new Error('a cell has a key that signs tokens');
  return key;
}
