import { readPrivateKey, readPublicKey } from '#runtime/openpgp/keys.ts';
import type { Tx } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { CellKeys } from '#services/migrations/migration-cell.ts';

interface StoredKey {
  readonly fingerprint: string;
  readonly owner: 'tenant' | 'cell';
  readonly publicKey: string;
  readonly sealedPrivate: Buffer | null;
}

export const placeOfPrivateKey = (fingerprint: string): Buffer => Buffer.from(`openpgp|${fingerprint}`);

const storedKeys = (db: Tx) => db.rows<StoredKey>`
  select fingerprint, owner, public_key as "publicKey", sealed_private as "sealedPrivate"
    from cell.openpgp_keys order by imported_at desc`;

/** The keys that verify, open and seal in a cell; the newest first. */
export async function loadCellKeys(db: Tx, vault: Vault): Promise<CellKeys> {
  const stored = await storedKeys(db);
  const cell = stored.flatMap(({ owner, fingerprint, sealedPrivate }) =>
    owner === 'cell' && sealedPrivate
      ? [readPrivateKey(vault.open('openpgp', sealedPrivate, placeOfPrivateKey(fingerprint)))]
      : [],
  );
  const tenant = stored
    .filter(({ owner }) => owner === 'tenant')
    .map(({ publicKey }) => readPublicKey(publicKey));
  return { cell: await Promise.all(cell), tenant: await Promise.all(tenant) };
}

/** Keeps a public key and, of the cell's own pairs, the sealed private half. The same key again changes nothing. */
export async function storeKey(
  db: Tx,
  vault: Vault,
  key: { owner: 'tenant' | 'cell'; fingerprint: string; publicKey: string; privateKey?: Uint8Array },
): Promise<void> {
  const sealed = key.privateKey
    ? vault.seal('openpgp', key.privateKey, placeOfPrivateKey(key.fingerprint))
    : null;
  await db.run`
    insert into cell.openpgp_keys (fingerprint, owner, public_key, sealed_private)
    values (${key.fingerprint}, ${key.owner}, ${key.publicKey}, ${sealed})
        on conflict (owner, fingerprint) do update
           set public_key = excluded.public_key,
               sealed_private = coalesce(excluded.sealed_private, openpgp_keys.sealed_private)`;
}

/** Answers whether there was such a key. The cell's own keys stay: they open what was sealed to them. */
export const removeTenantKey = async (db: Tx, fingerprint: string): Promise<boolean> =>
  (await db.run`
    delete from cell.openpgp_keys
     where owner = 'tenant' and upper(fingerprint) = ${fingerprint.replaceAll(' ', '').toUpperCase()}`) > 0;

export const listKeys = storedKeys;
