import { importJWK, type JWK, SignJWT } from 'jose';
import type { CallerFacts } from './handle-request.ts';

const ALGORITHM = 'EdDSA';
const TYPE = 'relevo-caller+jwt';
const ISSUER = 'gateway';
const LIFE_SECONDS = 30;
const KEPT_MAX = 10_000;

interface Kept {
  readonly identity: Promise<string>;
  readonly renewAt: number;
}

/**
 * Makes what tells a cell's process who calls: signed by the gateway, for this cell, for half a minute. The same caller
 * gets the same one until half of its life is over, so nearly no request waits for a signature.
 */
export async function callerIdentity(
  privateJwk: JWK,
  now: () => number = Date.now,
): Promise<(caller: CallerFacts) => Promise<string>> {
  const key = await importJWK(privateJwk, ALGORITHM);
  const header = { alg: ALGORITHM, typ: TYPE, ...(privateJwk.kid !== undefined && { kid: privateJwk.kid }) };
  const kept = new Map<string, Kept>();

  const sign = ({ cell, clientId, scopes }: CallerFacts, at: number): Promise<string> => {
    const seconds = Math.floor(at / 1_000);
    const claims = new SignJWT({ scope: scopes.join(' ') })
      .setProtectedHeader(header)
      .setIssuer(ISSUER)
      .setAudience(cell)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + LIFE_SECONDS);
    return (clientId === null ? claims : claims.setSubject(clientId)).sign(key);
  };

  return (caller) => {
    const at = now();
    const name = JSON.stringify([caller.cell, caller.clientId, caller.scopes]);
    const known = kept.get(name);
    // A clock that was set back must not keep an old one for longer than it lives.
    const half = (LIFE_SECONDS * 1_000) / 2;
    if (known !== undefined && at < known.renewAt && known.renewAt - at <= half) return known.identity;
    const made: Kept = { identity: sign(caller, at), renewAt: at + half };
    kept.delete(name);
    if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value!);
    kept.set(name, made);
    made.identity.catch(() => kept.delete(name));
    return made.identity;
  };
}
