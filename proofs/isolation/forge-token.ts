import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomUUID,
} from 'node:crypto';
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import type { SealedCell } from './sealed-cell.ts';

export interface Forgery {
  readonly what: string;
  /** The token; absent where none is sent. */
  readonly token: string | undefined;
  /** Which guards are meant to stop it. */
  readonly meant: readonly string[];
}

/**
 * Tokens for one cell that it did not give. Some are signed with real keys, as a thief of a cell file could: `other` is
 * the cell whose file was stolen. What a thief of this very cell's file signs is good, of course, as long as it names
 * this cell.
 */
export async function forgeriesFor(
  here: SealedCell,
  other: SealedCell,
  issuerOf: (cell: SealedCell) => string,
): Promise<Forgery[]> {
  const scope = scopeOf(here.client.token);
  const now = Math.floor(Date.now() / 1_000);
  const claims = (more: JWTPayload = {}): JWTPayload => ({
    iss: issuerOf(here),
    aud: issuerOf(here),
    iat: now,
    exp: now + 300,
    jti: randomUUID(),
    client_id: here.client.clientId,
    scope,
    ...more,
  });
  const keyOf = ({ file }: SealedCell) => {
    const { jwk, kid } = file.tokenKeys!.at(-1)!;
    return { kid, key: createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }), jwk };
  };
  const [mine, stolen] = [keyOf(here), keyOf(other)];
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sign = (
    payload: JWTPayload,
    key: KeyObject | Uint8Array,
    header: Record<string, unknown>,
  ): Promise<string> =>
    new SignJWT(payload).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header } as never).sign(key);
  const ours = (payload: JWTPayload, header: Record<string, unknown> = {}) =>
    sign(payload, mine.key, { kid: mine.kid, ...header });
  const publicKey = createPublicKey({ key: mine.jwk as JsonWebKey, format: 'jwk' });
  const pem = Buffer.from(publicKey.export({ format: 'pem', type: 'spki' }) as string);
  const publicJwk = Buffer.from(JSON.stringify(publicKey.export({ format: 'jwk' })));
  const hs256 = { alg: 'HS256', kid: mine.kid };
  const [head, body, signature] = here.client.token.split('.');
  const [otherHead, otherBody, otherSignature] = other.client.token.split('.');
  const [, secondBody, secondSignature] = here.second.token.split('.');
  const widened = Buffer.from(JSON.stringify(claims({ scope: `${scope} admin` }))).toString('base64url');
  const gateway = (...codes: string[]) => codes.map((code) => `gateway: ${code}`);

  return [
    { what: 'no token', token: undefined, meant: gateway('token_missing') },
    {
      what: 'signed with a key of the forger’s own, under the cell’s key id',
      token: await sign(claims(), own.privateKey, { kid: mine.kid }),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: 'the same without a key id',
      token: await sign(claims(), own.privateKey, {}),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: 'the same, with its key in the header',
      token: await sign(claims(), own.privateKey, {
        jwk: own.publicKey.export({ format: 'jwk' }),
        kid: mine.kid,
      }),
      meant: gateway('token_signature_wrong', 'token_malformed'),
    },
    {
      what: 'under a key id that nobody has',
      token: await sign(claims(), own.privateKey, { kid: 'nobody' }),
      meant: gateway('token_key_unknown'),
    },
    {
      what: 'algorithm none',
      token: new UnsecuredJWT(claims()).encode(),
      meant: gateway('token_algorithm'),
    },
    {
      what: 'HS256 with the public key (PEM) as the secret',
      token: await sign(claims(), pem, hs256),
      meant: gateway('token_algorithm'),
    },
    {
      what: 'HS256 with the public key (JWK) as the secret',
      token: await sign(claims(), publicJwk, hs256),
      meant: gateway('token_algorithm'),
    },
    {
      what: `signed with the stolen key of ${other.text}, under its key id`,
      token: await sign(claims(), stolen.key, { kid: stolen.kid }),
      meant: gateway('token_key_unknown'),
    },
    {
      what: `signed with the stolen key of ${other.text}, under this cell’s key id`,
      token: await sign(claims(), stolen.key, { kid: mine.kid }),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: `signed with this cell’s key and meant for ${other.text}`,
      token: await ours(claims({ iss: issuerOf(other), aud: issuerOf(other) })),
      meant: gateway('token_of_another_cell'),
    },
    {
      what: `issued by this cell, meant for ${other.text}`,
      token: await ours(claims({ aud: issuerOf(other) })),
      meant: gateway('token_of_another_cell'),
    },
    {
      what: `issued by ${other.text}, meant for this cell`,
      token: await ours(claims({ iss: issuerOf(other) })),
      meant: gateway('token_of_another_cell'),
    },
    {
      what: 'meant for two cells',
      token: await ours(claims({ aud: [issuerOf(other), issuerOf(here)] })),
      meant: gateway('token_of_another_cell'),
    },
    {
      what: `head and signature of this cell, claims of ${other.text}`,
      token: [head, otherBody, signature].join('.'),
      meant: gateway('token_of_another_cell'),
    },
    {
      what: `claims of this cell, signature of ${other.text}`,
      token: [head, body, otherSignature].join('.'),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: `claims and signature of this cell, head of ${other.text}`,
      token: [otherHead, body, signature].join('.'),
      meant: gateway('token_key_unknown'),
    },
    {
      what: 'claims of one client, signature of another one of the cell',
      token: [head, body, secondSignature].join('.'),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: 'the other way about',
      token: [head, secondBody, signature].join('.'),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: 'with one scope more than was signed',
      token: [head, widened, signature].join('.'),
      meant: gateway('token_signature_wrong'),
    },
    {
      what: 'expired',
      token: await ours(claims({ iat: now - 900, exp: now - 600 })),
      meant: gateway('token_expired'),
    },
    {
      what: 'not yet valid (nbf)',
      token: await ours(claims({ nbf: now + 600 })),
      meant: gateway('token_not_yet_valid'),
    },
    {
      what: 'issued in the future (iat)',
      token: await ours(claims({ iat: now + 600, exp: now + 900 })),
      meant: gateway('token_not_yet_valid'),
    },
    {
      what: 'of another type than an access token',
      token: await ours(claims(), { typ: 'JWT' }),
      meant: gateway('token_malformed'),
    },
    {
      what: 'without an end',
      token: await ours(claims({ exp: undefined })),
      meant: gateway('token_malformed'),
    },
    {
      what: 'with a client of another cell in it, signed by this one',
      token: await ours(claims({ client_id: other.client.clientId })),
      meant: ['cell: client_revoked'],
    },
    { what: 'of a revoked client', token: here.revoked.token, meant: ['cell: client_revoked'] },
    { what: 'without any scope', token: await ours(claims({ scope: '' })), meant: gateway('scope_missing') },
    {
      what: 'with the scopes of others than this operation',
      token: await ours(claims({ scope: 'nothing:read cards:* *' })),
      meant: gateway('scope_missing'),
    },
  ];
}

const scopeOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()) as { scope: string }).scope;
