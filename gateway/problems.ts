import { declareProblems } from '#declare/errors.ts';
import { MEDIA_TYPE } from '#runtime/http/problems.ts';

/** What the gateway itself answers, in order of precedence: when several apply, the caller sees the first. */
export const problems = declareProblems({
  bad_http: {
    status: 400,
    title: 'This is not HTTP as it is spoken here',
    text: 'The request cannot be read as HTTP/1.1. Each header that says where it goes and how long it is must be there once.',
    retry: 'after_change',
  },
  bad_target: {
    status: 400,
    title: 'The address is not as it must be',
    text: 'Send the path and query alone, beginning with /, without a host and with other characters percent-encoded.',
    retry: 'after_change',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    text: 'There are too many headers, or they have too many bytes. Send fewer.',
    retry: 'after_change',
  },
  too_slow: {
    status: 408,
    title: 'The request came too slowly',
    text: 'The whole request has to be here sooner. Send it again.',
    retry: 'same_key',
  },
  unknown_host: {
    status: 421,
    title: 'No such host here',
    text: 'Nothing is served under this host name. Check the name and that its tenant has been added.',
    retry: 'after_change',
  },
  hosts_disagree: {
    status: 421,
    title: 'The host is not the one of the connection',
    text: 'The connection was opened for another host than the request names. Open a connection of its own for each host.',
    retry: 'after_change',
  },
  no_such_path: {
    status: 404,
    title: 'No such path',
    text: 'Nothing is public under this path. GET /openapi.json lists what is.',
    retry: 'never',
  },
  method_not_allowed: {
    status: 405,
    title: 'Not by this method',
    text: 'The Allow header names the methods of this path.',
    retry: 'never',
  },
  expectation_failed: {
    status: 417,
    title: 'This expectation cannot be met',
    text: 'The only Expect that is understood here is 100-continue.',
    retry: 'after_change',
  },
  strangers_too_many: {
    status: 429,
    title: 'Too many requests without a known token',
    text: 'Wait as long as Retry-After says. Ask for a token once and use it until it expires.',
    retry: 'same_key',
  },
  token_missing: {
    status: 401,
    title: 'No token',
    text: 'Get a token from POST /oauth/token and send it as Authorization: Bearer TOKEN.',
    retry: 'after_change',
  },
  token_malformed: {
    status: 401,
    title: 'This is not an access token',
    text: 'Send one access token from POST /oauth/token, unchanged, as Authorization: Bearer TOKEN.',
    retry: 'after_change',
  },
  token_algorithm: {
    status: 401,
    title: 'The token is signed by another algorithm',
    text: 'Tokens are signed with ES256 here. Get one from POST /oauth/token.',
    retry: 'after_change',
  },
  token_of_another_cell: {
    status: 401,
    title: 'The token is for another host',
    text: 'A token is good for the host that gave it. Get one from POST /oauth/token of this host.',
    retry: 'after_change',
  },
  token_key_unknown: {
    status: 401,
    title: 'The token is signed by a key that is not of this host',
    text: 'Its key is unknown, or no longer used. Get a new token from POST /oauth/token.',
    retry: 'after_change',
  },
  token_signature_wrong: {
    status: 401,
    title: 'The signature of the token is wrong',
    text: 'The token was changed, or made by somebody else. Get one from POST /oauth/token.',
    retry: 'after_change',
  },
  token_not_yet_valid: {
    status: 401,
    title: 'The token is not valid yet',
    text: 'It begins later than now. Check the clock of the machine that gave it, or wait.',
    retry: 'after_change',
  },
  token_expired: {
    status: 401,
    title: 'The token has expired',
    text: 'Get a new one from POST /oauth/token.',
    retry: 'after_change',
  },
  scope_missing: {
    status: 403,
    title: 'The token does not reach so far',
    text: 'The token is without the scope of this operation.',
    retry: 'after_change',
  },
  client_rate: {
    status: 429,
    title: 'Too many requests of this client',
    text: 'Wait as long as Retry-After says.',
    retry: 'same_key',
  },
  tenant_rate: {
    status: 429,
    title: 'Too many requests of this tenant',
    text: 'All clients of this host together ask too much. Wait as long as Retry-After says.',
    retry: 'same_key',
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    text: 'Send a smaller body.',
    retry: 'after_change',
  },
  body_not_taken: {
    status: 400,
    title: 'This operation takes no body',
    text: 'Send the request without a body. What it takes is in GET /openapi.json.',
    retry: 'after_change',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is of another type',
    text: 'The body is of a type that this operation does not take.',
    retry: 'after_change',
  },
  idempotency_key_missing: {
    status: 400,
    title: 'No Idempotency-Key',
    text: 'Send Idempotency-Key with a value of your own for each thing to be done; a repeat carries the same.',
    retry: 'after_change',
  },
  idempotency_key_malformed: {
    status: 400,
    title: 'The Idempotency-Key is not as it must be',
    text: 'It has 1 to 64 characters of A-Z, a-z, 0-9, _ and -.',
    retry: 'after_change',
  },
  unexpected: {
    status: 500,
    title: 'A defect on this side',
    text: 'Something failed that should not. Whether the request had an effect is not known; the same request again, with the same Idempotency-Key, is safe.',
    retry: 'same_key',
  },
  upstream_broken: {
    status: 502,
    title: 'The answer broke off',
    text: 'Whether the request had an effect is not known; the same request again, with the same Idempotency-Key, is safe.',
    retry: 'same_key',
  },
  cell_unavailable: {
    status: 503,
    title: 'Not available now',
    text: 'What answers under this host cannot be reached now. Nothing was done. Wait as long as Retry-After says.',
    retry: 'same_key',
  },
  cell_busy: {
    status: 503,
    title: 'Too much at once',
    text: 'Too many requests of this host are under way. Nothing was done. Wait as long as Retry-After says.',
    retry: 'same_key',
  },
  upstream_too_slow: {
    status: 504,
    title: 'No answer in time',
    text: 'Whether the request had an effect is not known; the same request again, with the same Idempotency-Key, is safe.',
    retry: 'same_key',
  },
});

export type ProblemCode = keyof typeof problems;

export const PROBLEM_TYPE = MEDIA_TYPE;

/** Thrown on the way to an answer. It holds nothing that a client sent. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    {
      detail = problems[code].text,
      headers = {},
    }: { detail?: string; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return problems[this.code].status;
  }
}

/** The document of RFC 9457. */
export function problemBody({ code, message }: Problem) {
  const { status, title } = problems[code];
  return { type: `urn:relevo:problem:${code}`, title, status, detail: message, code };
}
