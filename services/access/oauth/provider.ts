import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { type ClientMetadata, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { isClientSecret } from '../client-secret.ts';
import type { FoundClient } from '../service.ts';
import { JWKS_PATH, METADATA_PATH, metadataOf, TOKEN_PATH } from './metadata.ts';
import { PROBLEM_HEADER } from '#runtime/http/problems.ts';
import type { OAuthError } from './oauth-error.ts';
import { privateJwk, type SigningKey, signingKey } from './signing-keys.ts';
import type { TokenEndpointOptions } from './token-endpoint.ts';
import type { WrongSecrets } from './wrong-secrets.ts';

export interface ProviderOptions extends Required<Omit<TokenEndpointOptions, 'tokenKeys'>> {
  readonly tokenKeys: readonly SigningKey[];
  readonly wrongSecrets: WrongSecrets;
}

/** What our adapter hands on with a client, beside what the library knows. */
const OURS = ['secret_codes', 'granted_scopes'] as const;
interface Ours {
  readonly secret_codes: readonly string[];
  readonly granted_scopes: readonly string[];
}

/** The library wants a secret with each client and never gets one: what it compares with is nobody's. */
const NOBODYS_SECRET = randomBytes(32).toString('base64url');

/** The library as an endpoint for client credentials, and for nothing else that it can do. */
export function makeProvider(options: ProviderOptions): Provider {
  const { issuer, audience, tokenKeys, ttlSeconds, now, onTrouble } = options;
  const provider = new Provider(issuer, {
    adapter: adapterOn(options),
    jwks: { keys: tokenKeys.map(privateJwk) as never },
    routes: { token: TOKEN_PATH, jwks: JWKS_PATH },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    clientDefaults: {
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
    },
    extraClientMetadata: { properties: [...OURS] },
    responseTypes: [],
    scopes: [],
    ttl: { ClientCredentials: ttlSeconds },
    clientBasedCORS: () => false,
    renderError: (ctx, out) => {
      ctx.body = out; // also for who would rather see a page
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: (ctx, resource, client) => {
          if (resource !== audience) throw new errors.InvalidTarget();
          return {
            scope: grantScopes(ctx, client as unknown as Ours),
            audience,
            accessTokenFormat: 'jwt',
            accessTokenTTL: ttlSeconds,
            jwt: { sign: { alg: 'ES256', kid: signingKey(tokenKeys, now()).kid } },
          };
        },
      },
    },
    formats: {
      customizers: {
        jwt: (_ctx, _token, { payload }) => {
          const iat = Math.floor(now().getTime() / 1000);
          Object.assign(payload, { iat, exp: iat + ttlSeconds });
        },
      },
    },
  });
  provider.silent = true; // what goes wrong is told to `onTrouble`, not to the console
  provider.on('server_error', (_ctx, error) => onTrouble(error));
  (provider as EventEmitter).on('error', onTrouble);
  provider.use(async (ctx, next) => {
    if (ctx.path === METADATA_PATH) ctx.body = metadataOf(issuer);
    else await next();
    if (!ctx.req.complete) ctx.set('connection', 'close'); // what is left of a body is read by nobody
    // Nobody asks for tokens from a page.
    for (const name of Object.keys(ctx.response.headers))
      if (name.startsWith('access-control-')) ctx.remove(name);
    if (ctx.status === 500)
      ctx.body = {
        error: 'server_error',
        error_description: 'The token endpoint has failed; it is not your request.',
      };
    const { error } = (ctx.body ?? {}) as { error?: unknown };
    if (typeof error === 'string') ctx.set(PROBLEM_HEADER, error);
  });
  provider.Client.prototype.compareClientSecret = function (secret) {
    return isSecretOf(this.clientId, this as unknown as Ours, secret, options);
  };
  return provider;
}

/** Reads clients and stores nothing: tokens are complete by themselves. */
function adapterOn(options: ProviderOptions) {
  const nothing = async () => undefined;
  const find = async (clientId: string) => {
    const client = await lookUp(options, clientId, false);
    return client ? metadataOfClient(client) : undefined;
  };
  return (kind: string) => ({
    upsert: nothing,
    find: kind === 'Client' ? find : nothing,
    findByUserCode: nothing,
    findByUid: nothing,
    consume: nothing,
    destroy: nothing,
    revokeByGrantId: nothing,
  });
}

/** Null for who is not here or is revoked; nobody is let in when the database cannot say. */
async function lookUp(
  { findClient, onTrouble }: ProviderOptions,
  clientId: string,
  isFresh: boolean,
): Promise<FoundClient | null> {
  let client: FoundClient | null;
  try {
    client = await findClient(clientId, isFresh);
  } catch (error) {
    onTrouble(error);
    throw refusal({
      status: 503,
      error: 'temporarily_unavailable',
      description: 'clients cannot be looked up at the moment',
      headers: { 'retry-after': '1' },
    });
  }
  return client && !client.isRevoked ? client : null;
}

const metadataOfClient = ({ clientId, scopes, secretCodes }: FoundClient): ClientMetadata & Ours => ({
  client_id: clientId,
  client_secret: NOBODYS_SECRET,
  secret_codes: secretCodes,
  granted_scopes: scopes,
});

/** What the token is for: the scopes that were asked for, or all that the client has. */
function grantScopes(ctx: KoaContextWithOIDC, { granted_scopes: granted }: Ours): string {
  const { params } = ctx.oidc;
  if (!params) throw new errors.InvalidRequest('there are no parameters');
  params['scope'] ??= granted.join(' ');
  for (const scope of String(params['scope']).split(' '))
    if (!granted.includes(scope))
      throw new errors.InvalidScope('this scope was not given to the client', scope);
  return granted.join(' ');
}

/** A secret that fits nothing is looked at again with the client as it is now: it may have been renewed a second ago. */
async function isSecretOf(
  clientId: string,
  { secret_codes: codes }: Ours,
  secret: string,
  options: ProviderOptions,
): Promise<boolean> {
  const sent = options.codeOfSecret(clientId, secret);
  if (isAmong(codes, sent)) return true;
  const seconds = await options.wrongSecrets.count(clientId);
  if (seconds > 0)
    throw refusal({
      status: 429,
      error: 'invalid_client',
      description: `too many wrong secrets of this client; stop for ${seconds} s`,
      headers: { 'retry-after': String(seconds) },
    });
  if (!isClientSecret(secret))
    throw refusal({
      status: 401,
      error: 'invalid_client',
      description: 'this is no whole secret: a letter is wrong, missing or too many',
    });
  return isAmong((await lookUp(options, clientId, true))?.secretCodes ?? [], sent);
}

/** Each is compared, so that the time does not tell which one was right. */
const isAmong = (codes: readonly string[], sent: Buffer): boolean =>
  codes.map((code) => timingSafeEqual(sent, Buffer.from(code, 'base64'))).includes(true);

/** An error that the library answers as ours; headers go to the request that is being answered. */
function refusal({ status, error, description, headers = {} }: OAuthError): errors.OIDCProviderError {
  Provider.ctx?.set(headers);
  const made = new errors.OIDCProviderError(status, error);
  made.error_description = description;
  made.expose = true;
  return made;
}
