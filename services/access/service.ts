import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';

/** An API client, as people and lists know it. */
export interface ClientInfo {
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly addedAt: Date;
  readonly revokedAt: Date | null;
  /** Newest first; of a revoked client, none. */
  readonly secrets: readonly SecretInfo[];
}

export interface SecretInfo {
  /** The last four letters of the secret. */
  readonly hint: string;
  readonly addedAt: Date;
  /** Null for the newest one, which has no end. */
  readonly validUntil: Date | null;
}

/** A secret that nobody can read again: it is answered once. */
export interface NewSecret {
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly secret: string;
}

/** What the token endpoint knows of a client. */
export interface FoundClient {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly isRevoked: boolean;
  /** Codes of the secrets that are valid now, base64. */
  readonly secretCodes: readonly string[];
}

/** A request with an idempotency key, as the header names it. */
export interface RequestName {
  readonly clientId: string;
  readonly key: string;
}

export interface RequestToBegin extends RequestName {
  /** `cards.freezeCard`: the same key for another operation is another content. */
  readonly operation: string;
  /** A digest of what is asked. It is kept as a code that nobody without the cell file can compute. */
  readonly fingerprint: string;
}

/**
 * How a request with an idempotency key stands.
 *
 *   new            nobody has begun it, or whoever did has given it up or died: work on it, with this epoch. `isAgain`:
 *                  somebody had begun, so some of it may have taken effect
 *   answered       it ended: give this answer again; a null body was too large to be kept
 *   under_way      somebody works on it, for so long at most
 *   other_content  the key was used for something else
 */
export type RequestState =
  | { readonly state: 'new'; readonly epoch: number; readonly isAgain: boolean }
  | { readonly state: 'answered'; readonly status: number; readonly body: Buffer | null }
  | { readonly state: 'under_way'; readonly msLeft: number }
  | { readonly state: 'other_content' };

/** A begun request, in the hands of the one who began it. */
export interface HeldRequest extends RequestName {
  readonly epoch: number;
}

/** In order of precedence: when several apply, the caller sees the first. */
export const accessErrors = errors({
  bad_client_name: {
    retry: 'after_change',
    text: 'The name of a client breaks its rule.',
  },
  no_scopes: { retry: 'after_change', text: 'A client without scopes could do nothing.' },
  unknown_scope: { retry: 'after_change', text: 'No public operation asks for this scope.' },
  bad_overlap: {
    retry: 'after_change',
    text: 'The time for which older secrets stay valid is out of bounds.',
  },
  unknown_client: { retry: 'never', text: 'The cell has no client of this id.' },
  client_revoked: { retry: 'never', text: 'The client was revoked, which is for good.' },
  client_name_taken: { retry: 'after_change', text: 'A client of this name is here.' },
  too_many_clients: { retry: 'after_change', text: 'The cell has as many clients as it may have.' },
  too_many_secrets: {
    retry: 'after_change',
    text: 'The client has as many valid secrets as it may have.',
  },
  bad_idempotency_key: { retry: 'after_change', text: 'The idempotency key breaks its rule.' },
  request_taken_over: {
    retry: 'same_key',
    text: 'The request took longer than it was leased for, and somebody else works on it or has answered it.',
  },
});

export type AccessCode = keyof typeof accessErrors & string;

export const access = service('access', {
  purpose:
    'API clients of the cell: their secrets and scopes, the tokens they get, and the idempotency keys of what they ask.',
  data: 'credentials',
  errors: accessErrors,
  settings: {},
  objectives: [
    { text: 'A revoked client gets no token, and its tokens are refused', target: 'within 5 s' },
    { text: 'A request with an idempotency key is worked by one process at a time', target: 'always' },
  ],
  operations: {
    addClient: operation<{ actor: string; name: string | null; scopes: readonly string[] }, NewSecret>({
      text: 'Adds a client and answers its secret, which nobody can read again.',
      callers: ['operators'],
      idempotentBy: 'name: a second addition is refused; without one each is a client of its own',
    }),
    listClients: operation<{ withRevoked: boolean }, ClientInfo[]>({
      text: 'The clients, the latest first, with the ends of their secrets.',
      callers: ['operators'],
    }),
    revokeClient: operation<{ actor: string; clientId: string }, { revokedAt: Date; wasRevoked: boolean }>({
      text: 'Revokes a client for good: it gets no more tokens, and those it has are refused.',
      callers: ['operators'],
      idempotentBy: 'client',
    }),
    renewSecret: operation<
      { actor: string; clientId: string; overlapSeconds: number },
      NewSecret & { readonly othersValidUntil: Date }
    >({
      text: 'Gives a client a new secret. Those it had stay valid for so long, and no longer than they were to.',
      callers: ['operators'],
    }),
    findClient: operation<{ clientId: string }, FoundClient | null>({
      text: 'A client with the codes of the secrets that are valid now; for the token endpoint.',
      callers: ['access'],
    }),
    beginRequest: operation<RequestToBegin, RequestState>({
      text: 'Begins a request under its idempotency key, for one caller at a time, or tells how it stands.',
      callers: ['api'],
      idempotentBy: 'client, key, operation and fingerprint',
    }),
    endRequest: operation<HeldRequest & { status: number; body: Uint8Array }, { isBodyKept: boolean }>({
      text: 'Keeps the answer of a begun request for repeats. A body of more than 64 KB is not kept, its status is.',
      callers: ['api'],
      idempotentBy: 'client, key and epoch',
    }),
    abandonRequest: operation<HeldRequest, { isAbandoned: boolean }>({
      text: 'Gives up a begun request that took no effect, so that a repeat begins it anew.',
      callers: ['api'],
      idempotentBy: 'client, key and epoch',
    }),
    forgetRequests: operation<{ limit: number }, number>({
      text: 'Forgets up to so many requests that began 24 hours ago by the clock of the database; answers how many.',
      callers: ['api'],
      idempotentBy: 'client and key',
    }),
  },
});
