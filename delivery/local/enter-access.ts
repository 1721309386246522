import type { RequestListener } from 'node:http';
import type { Client } from '#declare/service.ts';
import type { Served } from '#runtime/calls.ts';
import { Refusal } from '#runtime/refusal.ts';
import { AccessKeys } from '#services/access/access-keys.ts';
import { serveAccess } from '#services/access/main.ts';
import { tokenEndpoint } from '#services/access/oauth/token-endpoint.ts';
import { RecentClients } from '#services/access/recent-clients.ts';
import { knownScopes } from '#services/access/scopes.ts';
import type { access } from '#services/access/service.ts';
import { publicOperations } from '#services/public.ts';
import type { TokenKey } from '../cells/cell-file.ts';
import { cellText } from '../cells/cell-name.ts';
import { openAudit } from '../cells/open-audit.ts';
import type { Cell } from '../cells/open-cell.ts';

/** Requests of a process share them: each statement is short. */
const CONNECTIONS = 4;

/** The scopes that clients of this release can have. */
export const scopesOfRelease = (): readonly string[] => knownScopes(publicOperations);

/** The service with its administrative acts, for a command. */
export const openAccess = (cell: Cell, caller: 'operators'): Client<typeof access> =>
  cell.calls.client(serveOn(cell, keysOf(cell), 1), caller);

export interface EnteredAccess {
  /** POST /oauth/token, GET /oauth/jwks and the metadata. */
  readonly answerTokens: RequestListener;
  /** Whether a client's tokens are refused although they have not expired; what it says is at most 2 s old. */
  readonly isRevoked: (clientId: string) => Promise<boolean>;
  /** For requests with idempotency keys. */
  readonly requests: Pick<
    Client<typeof access>,
    'beginRequest' | 'endRequest' | 'abandonRequest' | 'forgetRequests'
  >;
}

export interface EnterAccessOptions {
  /** `iss` and `aud` of the cell's tokens. */
  readonly issuer: string;
  readonly onTrouble: (error: unknown) => void;
}

/** Puts into this process what serving the cell's clients needs. It opens no data keys. */
export function enterAccess(cell: Cell, { issuer, onTrouble }: EnterAccessOptions): EnteredAccess {
  const keys = keysOf(cell);
  const served = serveOn(cell, keys, CONNECTIONS);
  const { findClient } = cell.calls.client(served, 'access');
  const recent = new RecentClients(findClient);
  return {
    answerTokens: tokenEndpoint({
      issuer,
      tokenKeys: rereadTokenKeys(cell, onTrouble),
      findClient: (clientId, isFresh) => recent.find(clientId, isFresh),
      codeOfSecret: (clientId, secret) => keys.codeOfSecret(clientId, secret),
      onTrouble,
    }),
    isRevoked: (clientId) => recent.isRevoked(clientId),
    requests: cell.calls.client(served, 'api'),
  };
}

function serveOn(cell: Cell, keys: AccessKeys, connections: number): Served<typeof access> {
  return serveAccess(
    { db: cell.connect('access', connections), audit: () => openAudit(cell, 'access') },
    { cell: cell.name, keys, knownScopes: scopesOfRelease() },
  );
}

function keysOf({ file, name }: Cell): AccessKeys {
  if (file.clientSecretKey) return new AccessKeys(Buffer.from(file.clientSecretKey, 'base64'));
  throw new Refusal(
    'schema_mismatch',
    `${cellText(name)} was made by an earlier release: it has no key for clients.`,
    {
      advice: `Bring it to this release: relevo tenant add ${name.tenant}`,
    },
  );
}

const REREAD_MS = 2_000;

/** The token keys of the cell file, read again now and then: `keys rotate` changes them while this process runs. */
function rereadTokenKeys(
  cell: Cell,
  onTrouble: (error: unknown) => void,
): () => Promise<readonly TokenKey[]> {
  let keys = cell.file.tokenKeys ?? [];
  let readAt = performance.now();
  return async () => {
    if (performance.now() - readAt < REREAD_MS) return keys;
    readAt = performance.now();
    try {
      keys = (await cell.fileNow()).tokenKeys ?? keys;
    } catch (error) {
      onTrouble(error); // those known are good for a while
    }
    return keys;
  };
}
