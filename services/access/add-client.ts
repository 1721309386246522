import type { Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { AccessKeys } from './access-keys.ts';
import { administer, type AccessParts } from './administer.ts';
import { newClientId } from './client-id.ts';
import { hintOf, newClientSecret } from './client-secret.ts';
import { checkScopes } from './scopes.ts';
import type { AccessCode, NewSecret } from './service.ts';
import { insertSecret } from './store.ts';

/** What a new client is made of. */
export interface ClientTerms {
  readonly cell: { readonly tenant: string; readonly environment: string };
  readonly keys: AccessKeys;
  readonly knownScopes: readonly string[];
}

const CLIENTS_MAX = 1_000;

export const addClient =
  (parts: AccessParts, { cell, keys, knownScopes }: ClientTerms) =>
  async (wanted: { actor: string; name: string | null; scopes: readonly string[] }): Promise<NewSecret> => {
    const clientId = newClientId(cell);
    const name = wanted.name === null ? clientId : checkName(wanted.name);
    const scopes = checkScopes(wanted.scopes, knownScopes);
    return administer(parts, wanted.actor, async (tx, tell) => {
      await takeTurn(tx);
      await checkRoom(tx, name);
      const secret = newClientSecret();
      await tx.run`insert into access.clients (client_id, name, scopes) values (${clientId}, ${name}, ${scopes})`;
      await insertSecret(tx, clientId, keys.codeOfSecret(clientId, secret), hintOf(secret));
      await tell({ action: 'clients.added', subject: clientId, details: { name, scopes: scopes.join(' ') } });
      return { clientId, name, scopes, secret };
    });
  };

const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N} ._@+&()'/-]{0,62}[\p{L}\p{N}).])?$/u;
/** Nobody's name, but perhaps a card number, together or in groups. */
const LONG_NUMBER = /\d(?:[ ._-]?\d){9}/;

/** The refusal does not repeat the name: it may be a card number or a secret that was put in the wrong place. */
function checkName(text: string): string {
  if (NAME.test(text) && !LONG_NUMBER.test(text)) return text;
  throw new Refusal<AccessCode>('bad_client_name', 'This cannot be the name of a client.', {
    advice:
      "Use 1 to 64 letters, digits, spaces and . _ @ + & ( ) ' / -, for instance Back office; no long numbers.",
  });
}

/** Additions take turns, so that the bound holds and a name is looked for while nobody else adds it. */
const takeTurn = (tx: Tx) => tx.run`select pg_advisory_xact_lock(hashtext('relevo clients'))`;

async function checkRoom(tx: Tx, name: string): Promise<void> {
  const [{ clients, taken }] = await tx.rows<{ clients: bigint; taken: string | null }>`
    select count(*) as clients, min(client_id) filter (where lower(name) = lower(${name})) as taken
      from access.clients where revoked_at is null`;
  if (taken !== null)
    throw new Refusal<AccessCode>(
      'client_name_taken',
      `${JSON.stringify(name)} is the name of client ${taken}.`,
      {
        advice: `Give it a new secret with relevo client renew ${taken}, revoke it, or choose another name.`,
      },
    );
  if (clients >= CLIENTS_MAX)
    throw new Refusal<AccessCode>(
      'too_many_clients',
      `The cell has ${clients} clients, which is as many as it may have.`,
      { advice: 'Revoke those that are not used any more: relevo client list shows them.' },
    );
}
