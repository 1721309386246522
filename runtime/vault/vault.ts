import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Refusal } from '#runtime/refusal.ts';
import { BatchSealer } from './batch-seal.ts';
import { BatchCmac } from './cmac.ts';
import { IdCoder } from './id-coder.ts';
import { newKey, open, seal, sealedVersion, type VersionedKey } from './seal.ts';

/**
 * What a data key is for. Each purpose has a key of its own, so that no one of them opens what another sealed.
 * `pan`, `pin`, `chunk` and `openpgp` seal; `pan-index`, `content` and `ids` code: equal input, equal code;
 * `audit` chains the entries of the audit trail.
 */
export const KEY_PURPOSES = [
  'pan',
  'pin',
  'chunk',
  'openpgp',
  'pan-index',
  'content',
  'ids',
  'audit',
] as const;
export type KeyPurpose = (typeof KEY_PURPOSES)[number];
export type SealingPurpose = 'pan' | 'pin' | 'chunk' | 'openpgp';
export type CodingPurpose = 'pan-index' | 'content' | 'ids';
export type ChainingPurpose = 'audit';

/** The purposes whose keys rotate by sealing again; codes are identities and keep their key for life. */
export const ROTATING_PURPOSES: readonly SealingPurpose[] = ['pan', 'pin', 'chunk', 'openpgp'];

/** A data key as the database keeps it: sealed by the key-encryption key, which the database never sees. */
export interface WrappedKey {
  readonly purpose: KeyPurpose;
  readonly version: number;
  readonly wrapped: Buffer;
}

const placeOfKey = (purpose: string, version: number) => Buffer.from(`data-key|${purpose}|${version}`);

export function wrapKey(kek: VersionedKey, purpose: KeyPurpose, { version, key }: VersionedKey): WrappedKey {
  return { purpose, version, wrapped: seal(kek, key.export(), placeOfKey(purpose, version)) };
}

export const wrapNewKey = (kek: VersionedKey, purpose: KeyPurpose, version: number): WrappedKey =>
  wrapKey(kek, purpose, { version, key: newKey() });

export function unwrapKey(
  keks: readonly VersionedKey[],
  { purpose, version, wrapped }: WrappedKey,
): KeyObject {
  const kek = keks.find((candidate) => candidate.version === sealedVersion(wrapped));
  if (!kek)
    throw new Refusal(
      'kek_missing',
      `Data key ${purpose} ${version} is wrapped by key-encryption key ${sealedVersion(wrapped)}, which the cell file does not hold.`,
      { advice: 'Restore the cell file that belongs to this database.' },
    );
  try {
    return createSecretKey(open(kek.key, wrapped, placeOfKey(purpose, version)));
  } catch (cause) {
    throw new Refusal('kek_wrong', `The key-encryption key does not open data key ${purpose} ${version}.`, {
      advice: 'The cell file belongs to another cell or was altered: restore the right one.',
      cause,
    });
  }
}

/** The opened data keys of one cell. Lives in the memory of processes that handle card data, nowhere else. */
export class Vault {
  readonly #sealing = new Map<string, { current: VersionedKey; byVersion: Map<number, KeyObject> }>();

  constructor(keks: readonly VersionedKey[], wrapped: readonly WrappedKey[]) {
    this.reload(keks, wrapped);
  }

  /** Takes in the keys as they are now: after a rotation there are new versions. */
  reload(keks: readonly VersionedKey[], wrapped: readonly WrappedKey[]): void {
    this.#sealing.clear();
    for (const each of wrapped) {
      const key = unwrapKey(keks, each);
      const known = this.#sealing.get(each.purpose);
      const entry = { version: each.version, key };
      if (!known) {
        this.#sealing.set(each.purpose, { current: entry, byVersion: new Map([[each.version, key]]) });
      } else {
        known.byVersion.set(each.version, key);
        if (each.version > known.current.version) known.current = entry;
      }
    }
  }

  /** The key version that seals now. */
  currentVersion(purpose: KeyPurpose): number {
    return this.#keys(purpose).current.version;
  }

  seal(purpose: SealingPurpose, plain: Uint8Array, place: Uint8Array): Buffer {
    return seal(this.#keys(purpose).current, plain, place);
  }

  open(purpose: SealingPurpose, sealed: Buffer, place: Uint8Array): Buffer {
    const key = this.#keys(purpose).byVersion.get(sealedVersion(sealed));
    if (!key)
      throw new Refusal(
        'data_key_missing',
        `No ${purpose} key of version ${sealedVersion(sealed)} is here.`,
        {
          advice: 'It was retired too early or belongs to another cell.',
        },
      );
    return open(key, sealed, place);
  }

  /** Seals many short values at once; what it makes opens like any other. */
  sealer(purpose: SealingPurpose): BatchSealer {
    return new BatchSealer(this.#keys(purpose).current);
  }

  /** Keyed codes (AES-256-CMAC) over many messages at once. */
  coder(purpose: CodingPurpose): BatchCmac {
    return new BatchCmac(this.#keys(purpose).current.key);
  }

  /** Derives ids from what things are called elsewhere, many at once. */
  idCoder(): IdCoder {
    return new IdCoder(this.coder('ids'), this.coder('ids'));
  }

  /**
   * The keyed code (HMAC-SHA-256) of one message. Unlike a CMAC's, not even a holder of the key can find two
   * messages with the same one, so a code that was written down elsewhere vouches for its message against everybody.
   */
  authenticate(purpose: ChainingPurpose, message: Uint8Array): Buffer {
    return createHmac('sha256', this.#keys(purpose).current.key).update(message).digest();
  }

  #keys(purpose: string) {
    const keys = this.#sealing.get(purpose);
    if (!keys) throw new Refusal('data_key_missing', `The cell has no ${purpose} key.`);
    return keys;
  }
}
