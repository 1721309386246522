import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import { Problem, type ProblemCode } from '../problems.ts';
import type { Cell } from '../routes.ts';

/** What a verified token says about who calls. */
export interface Caller {
  readonly cell: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  /** Milliseconds since 1970, without tolerance. */
  readonly expiresAt: number;
}

export const TOKEN_CHARACTERS_MAX = 4_096;
const ALGORITHM = 'ES256';
const TYPE = 'at+jwt';
const TOLERANCE_SECONDS = 5;
const CLAIMS = ['iss', 'aud', 'exp', 'iat', 'client_id', 'scope', 'jti'];
const CLIENT_ID = /^[\x21-\x7e]{1,128}$/;
/** As in RFC 6749. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** Verifies a token with the keys of one cell, for that cell alone. `now` is in milliseconds since 1970. */
export async function verifyToken(token: string, cell: Cell, now: number): Promise<Caller> {
  if (token.length > TOKEN_CHARACTERS_MAX) throw refused('token_malformed');
  refuseByItsWords(token, cell.route.issuer);
  const payload = await genuine(token, cell, now);
  return callerOf(payload, cell, now);
}

/**
 * What nobody has vouched for yet is read for one purpose: to refuse in words that help. It can only refuse; a token
 * that gets through is as unverified as before.
 */
function refuseByItsWords(token: string, issuer: string): void {
  let header, claims;
  try {
    header = decodeProtectedHeader(token);
    claims = decodeJwt(token);
  } catch {
    throw refused('token_malformed');
  }
  if (header.alg !== ALGORITHM) throw refused('token_algorithm');
  const audiences = [claims.aud].flat();
  if (claims.iss !== issuer || !audiences.includes(issuer)) throw refused('token_of_another_cell');
}

async function genuine(token: string, { route, keyFor }: Cell, now: number): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keyFor, {
      algorithms: [ALGORITHM],
      typ: TYPE,
      issuer: route.issuer,
      audience: route.issuer,
      requiredClaims: CLAIMS,
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    throw refused(codeFor(error));
  }
}

function codeFor(error: unknown): ProblemCode {
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'token_key_unknown';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'token_signature_wrong';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'token_algorithm';
  if (error instanceof errors.JWTExpired) return 'token_expired';
  if (error instanceof errors.JWTClaimValidationFailed && error.reason === 'check_failed') {
    if (error.claim === 'nbf') return 'token_not_yet_valid';
    if (error.claim === 'iss' || error.claim === 'aud') return 'token_of_another_cell';
  }
  return 'token_malformed';
}

function callerOf(payload: JWTPayload, { route }: Cell, now: number): Caller {
  const { client_id: clientId, scope, iat, exp, jti } = payload;
  // jose takes a list of audiences that has this one in it; a token here is for one cell.
  if (payload.aud !== route.issuer) throw refused('token_of_another_cell');
  if (typeof iat !== 'number' || typeof exp !== 'number' || typeof jti !== 'string')
    throw refused('token_malformed');
  if (iat > now / 1_000 + TOLERANCE_SECONDS) throw refused('token_not_yet_valid');
  if (typeof clientId !== 'string' || !CLIENT_ID.test(clientId)) throw refused('token_malformed');
  if (typeof scope !== 'string' || (scope !== '' && !SCOPE.test(scope))) throw refused('token_malformed');
  return {
    cell: route.cell,
    clientId,
    scopes: new Set(scope === '' ? [] : scope.split(' ')),
    expiresAt: exp * 1_000,
  };
}

const refused = (code: ProblemCode): Problem => new Problem(code);

/** Of what was refused, for a client's library (RFC 6750). */
export function challengeOf(cell: string, { code, message }: Problem, scope?: string): string {
  const realm = `Bearer realm="${cell}"`;
  if (code === 'token_missing') return realm;
  const error = code === 'scope_missing' ? 'insufficient_scope' : 'invalid_token';
  return `${realm}, error="${error}", error_description="${message}"${scope === undefined ? '' : `, scope="${scope}"`}`;
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

export function tokenIn(authorization: string | undefined): string {
  if (authorization === undefined) throw refused('token_missing');
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw refused('token_malformed');
  return token;
}
