import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { FoundClient } from '../service.ts';
import { JWKS_PATH, METADATA_PATH, TOKEN_PATH } from './metadata.ts';
import { PROBLEM_HEADER } from '#runtime/http/problems.ts';
import { bodyOf, type OAuthError } from './oauth-error.ts';
import type { SigningKey } from './signing-keys.ts';

export interface TokenEndpointOptions {
  /** `https://staging.quipu.example`, without a path. */
  readonly issuer: string;
  /** What tokens are for; of a cell it is the issuer. */
  readonly audience?: string;
  /** Newest last. As a function, it is asked before every answer: keys are rotated while a process runs. */
  readonly tokenKeys: readonly SigningKey[] | (() => readonly SigningKey[] | Promise<readonly SigningKey[]>);
  /** May be some seconds old, unless it is asked for as it is now. */
  readonly findClient: (clientId: string, isFresh: boolean) => Promise<FoundClient | null>;
  readonly codeOfSecret: (clientId: string, secret: string) => Buffer;
  readonly ttlSeconds?: number;
  /** How long a request may take, its body included. */
  readonly requestMsMax?: number;
  /** The time that stands in tokens. */
  readonly now?: () => Date;
  /** Told of what is nobody's mistake. The error holds no secret of a client. */
  readonly onTrouble?: (error: unknown) => void;
}

const METHODS: ReadonlyMap<string, readonly string[]> = new Map([
  [TOKEN_PATH, ['POST']],
  [JWKS_PATH, ['GET', 'HEAD']],
  [METADATA_PATH, ['GET', 'HEAD']],
]);

/** Whether a path, without its query, is the token endpoint's. */
export const isTokenEndpoint = (path: string): boolean => METHODS.has(path);

const TTL_SECONDS = 300;
const REQUEST_MS_MAX = 10_000;
/** A token request has some hundred bytes. The library stops reading at 56 KB, where no length is announced. */
const BODY_BYTES_MAX = 8 * 1024;

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * Answers the cell's token endpoint, its keys and its metadata (RFC 6749 4.4, 7517, 8414) by `oidc-provider`. That takes a
 * while to load, and most processes are started for something else: the first request does it.
 */
export function tokenEndpoint(options: TokenEndpointOptions): RequestListener {
  const { pathname, search } = new URL(options.issuer);
  if (pathname !== '/' || search || options.issuer.endsWith('/'))
    throw new Error('an issuer is scheme, host and port, and nothing after them');
  const { onTrouble = () => {}, requestMsMax = REQUEST_MS_MAX } = options;
  const current = currentProvider({
    ...options,
    audience: options.audience ?? options.issuer,
    ttlSeconds: options.ttlSeconds ?? TTL_SECONDS,
    requestMsMax,
    now: options.now ?? (() => new Date()),
    onTrouble,
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const refused = refuse(request);
    if (refused) return send(response, refused);
    const late = setTimeout(() => send(response, TOO_LATE), requestMsMax);
    response.once('close', () => clearTimeout(late));
    try {
      (await current())(request, response);
    } catch (error) {
      onTrouble(error);
      send(response, {
        status: 503,
        error: 'temporarily_unavailable',
        description: 'The token endpoint is not ready.',
        headers: { 'retry-after': '1' },
      });
    }
  };
  return (request, response) => void answer(request, response);
}

/** What the first request loads, for a process that has time before it. */
export const loadTokenEndpoint = () =>
  Promise.all([import('./provider.ts'), import('./wrong-secrets.ts')] as const);

/** The provider of the keys as they are now: made anew when they have changed, which is rare. */
function currentProvider(options: Required<TokenEndpointOptions>): () => Promise<Answer> {
  const { tokenKeys } = options;
  const keysNow = typeof tokenKeys === 'function' ? tokenKeys : () => tokenKeys;
  const loading = once(async () => {
    const [{ makeProvider }, { WrongSecrets }] = await loadTokenEndpoint();
    return { makeProvider, wrongSecrets: new WrongSecrets() };
  });
  let made: { readonly kids: string; readonly answer: Answer } | undefined;
  return async () => {
    const keys = await keysNow();
    const { makeProvider, wrongSecrets } = await loading();
    const kids = keys.map(({ kid }) => kid).join(' ');
    if (made?.kids !== kids)
      made = { kids, answer: makeProvider({ ...options, tokenKeys: keys, wrongSecrets }).callback() };
    return made.answer;
  };
}

/** Runs once for all who ask; a failure is forgotten, so that the next one tries again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () =>
    (running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    }));
}

/** What never reaches the library: it has routes of which we want none, and is more lenient about some things. */
function refuse({ method = '', url = '', headers }: IncomingMessage): OAuthError | null {
  const [path, ...query] = url.split('?');
  const methods = METHODS.get(path);
  if (!methods)
    return { status: 404, error: 'invalid_request', description: 'there is nothing at this address' };
  if (!methods.includes(method))
    return {
      status: 405,
      error: 'invalid_request',
      description: `this address takes ${methods.join(' and ')}`,
      headers: { allow: methods.join(', ') },
    };
  if (path !== TOKEN_PATH) return null;
  if (query.length > 0)
    return {
      status: 400,
      error: 'invalid_request',
      description:
        'parameters belong in the body: addresses end up in logs. A secret that was sent so should be renewed',
    };
  if (Number(headers['content-length'] ?? 0) > BODY_BYTES_MAX)
    return {
      status: 413,
      error: 'invalid_request',
      description: `the body is larger than ${BODY_BYTES_MAX} bytes`,
    };
  return null;
}

const TOO_LATE: OAuthError = {
  status: 408,
  error: 'invalid_request',
  description: 'the request took too long; send it again',
};

/** The body of the request may not have been read: the connection ends with the answer. */
function send(response: ServerResponse, refused: OAuthError): void {
  if (response.headersSent) return;
  const body = JSON.stringify(bodyOf(refused));
  response
    .writeHead(refused.status, {
      ...refused.headers,
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      [PROBLEM_HEADER]: refused.error,
      connection: 'close',
    })
    .end(body);
}
