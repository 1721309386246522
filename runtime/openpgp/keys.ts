import {
  decryptKey,
  enums,
  generateKey,
  readKeys,
  type AnySecretKeyPacket,
  type Key,
  type PrivateKey,
  type PublicKey,
} from 'openpgp';
import { Refusal } from '#runtime/refusal.ts';

import { signPacket } from './sign-packet.ts';

/** Why a key is not taken, in order of precedence. */
export const keyRefusalCodes = [
  'not_a_key',
  'private_key',
  'public_key',
  'passphrase_needed',
  'passphrase_wrong',
  'revoked',
  'expired',
  'too_weak',
  'no_signing_key',
  'no_encryption_key',
] as const;

export type KeyRefusalCode = (typeof keyRefusalCodes)[number];

/** The key is refused. The text is for whoever handed it in. */
export class KeyRefusal extends Refusal<KeyRefusalCode> {}

const DAY_SECONDS = 86_400;

/** Below this a key is refused; below the other one it is taken with a warning (NIST SP 800-57, 5.6.1). */
const RSA_BITS_MIN = 2048;
const RSA_BITS_ADVISED = 3072;

const EXPIRY_WARNING_DAYS = 60;

export interface CellKeyRequest {
  readonly name: string;
  readonly email?: string;
  readonly expiresInDays?: number;
  readonly date?: Date;
}

/** A key pair for a cell: Curve25519 in the form of version 4, which GnuPG 2.2 takes too. */
export async function generateCellKey({
  name,
  email,
  expiresInDays,
  date,
}: CellKeyRequest): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: { name, email },
    keyExpirationTime: (expiresInDays ?? 0) * DAY_SECONDS,
    date,
    format: 'object',
    config: { v6Keys: false },
  });
  await statePreferences(privateKey);
  return privateKey;
}

/**
 * Signs the user id anew with preferences that every sender's program knows. The library's own name SHA-3, and
 * some programs (PGPy) then cannot read the key at all.
 */
async function statePreferences(key: PrivateKey): Promise<void> {
  const { user, selfCertification } = await key.getPrimaryUser(key.getCreationTime());
  const { aes256, aes192, aes128 } = enums.symmetric;
  const { sha512, sha384, sha256 } = enums.hash;
  const { zlib, zip, uncompressed } = enums.compression;
  selfCertification.preferredSymmetricAlgorithms = [aes256, aes192, aes128];
  selfCertification.preferredHashAlgorithms = [sha512, sha384, sha256];
  selfCertification.preferredCompressionAlgorithms = [zlib, zip, uncompressed];
  selfCertification.rawNotations = []; // the salt of the first signature; the second brings its own
  const primary = key.keyPacket as AnySecretKeyPacket;
  const data = { userID: user.userID, key: primary };
  await signPacket(selfCertification, primary, data, key.getCreationTime());
}

/**
 * Reads a public key, armoured or binary. A private key is refused rather than stripped of its secret half: its
 * owner must learn that the secret has left the house.
 */
export async function readPublicKey(material: string | Uint8Array): Promise<PublicKey> {
  const key = await parse(material);
  if (key.isPrivate())
    throw new KeyRefusal(
      'private_key',
      'This is a private key, which no one else may ever have. Hand in the public one (gpg --armor --export), and consider making a new key, since this one has travelled.',
    );
  return key;
}

/** Reads a private key, armoured or binary, and unlocks it. */
export async function readPrivateKey(
  material: string | Uint8Array,
  passphrase?: string,
): Promise<PrivateKey> {
  const key = await parse(material);
  if (!key.isPrivate())
    throw new KeyRefusal('public_key', 'This is a public key; the private one is needed.');
  if (isUnlocked(key)) return key;
  if (passphrase === undefined)
    throw new KeyRefusal(
      'passphrase_needed',
      'The private key is locked by a passphrase, and none was given.',
    );
  try {
    return await decryptKey({ privateKey: key, passphrase });
  } catch {
    throw new KeyRefusal('passphrase_wrong', 'The passphrase does not unlock the private key.');
  }
}

/** True when every part whose secret is present can be used. */
function isUnlocked(key: PrivateKey): boolean {
  return key.getKeys().every(({ keyPacket }) => {
    const secret = keyPacket as { isDummy?(): boolean };
    return keyPacket.isDecrypted() || secret.isDummy?.() === true;
  });
}

async function parse(material: string | Uint8Array): Promise<Key> {
  const bytes = new Uint8Array(Buffer.from(material));
  const text = Buffer.from(bytes).toString('latin1').trim();
  let keys: Key[] = [];
  try {
    keys = text.startsWith('-----BEGIN')
      ? await readKeys({ armoredKeys: text })
      : await readKeys({ binaryKeys: bytes });
  } catch {
    // refused below, as no key
  }
  if (keys.length === 1) return keys[0];
  throw new KeyRefusal(
    'not_a_key',
    keys.length > 1
      ? `The file holds ${keys.length} keys. Export the one that is meant (gpg --armor --export, with its fingerprint).`
      : 'The file is not an OpenPGP key. Export the key, armoured or binary (gpg --armor --export).',
  );
}

export type KeyPurpose = 'signing' | 'encryption';

/**
 * Refuses a key which cannot serve the purpose at that moment. Reading a key does not ask this: a key that has
 * expired since it was registered must still be recognised.
 */
export async function assertUsable(
  key: Key,
  { for: purpose, now = new Date() }: { for: KeyPurpose; now?: Date },
): Promise<void> {
  const name = `Key ${key.getFingerprint().toUpperCase()}`;
  if (await key.isRevoked(undefined, undefined, now))
    throw new KeyRefusal('revoked', `${name} is revoked. Make a new key and register that.`);
  const expiresAt = await key.getExpirationTime();
  if (expiresAt instanceof Date && expiresAt <= now)
    throw new KeyRefusal(
      'expired',
      `${name} expired on ${dayOf(expiresAt)}. Extend it, or make a new one, and hand in the public key again.`,
    );
  const weak = key
    .getKeys()
    .map((part) => rsaBitsOf(part))
    .find((bits) => bits !== null && bits < RSA_BITS_MIN);
  if (weak)
    throw new KeyRefusal(
      'too_weak',
      `${name} is RSA with ${weak} bits. Make one of ${RSA_BITS_ADVISED} bits or more, or a Curve25519 key.`,
    );
  if (purpose === 'signing' && !(await canSign(key, now)))
    throw new KeyRefusal('no_signing_key', `${name} has no valid part that may sign. Add a signing subkey.`);
  if (purpose === 'encryption' && !(await canEncrypt(key, now)))
    throw new KeyRefusal(
      'no_encryption_key',
      `${name} has no valid part to encrypt to. Add an encryption subkey, or extend the one it has.`,
    );
}

export interface KeyDescription {
  readonly fingerprint: string;
  readonly keyId: string;
  /** `RSA 4096`, `Curve25519`, `NIST P-256`, ... */
  readonly algorithm: string;
  readonly userIds: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revoked: boolean;
  readonly canSign: boolean;
  readonly canEncrypt: boolean;
  readonly private: boolean;
  readonly warnings: readonly string[];
}

export async function describeKey(key: Key, now: Date = new Date()): Promise<KeyDescription> {
  const expiry = await key.getExpirationTime();
  const expiresAt = expiry instanceof Date ? expiry : null;
  const revoked = await key.isRevoked(undefined, undefined, now);
  const warnings: string[] = [];
  if (revoked) warnings.push('The key is revoked.');
  if (expiresAt && expiresAt <= now) warnings.push(`The key expired on ${dayOf(expiresAt)}.`);
  else if (expiresAt && expiresAt.getTime() - now.getTime() < EXPIRY_WARNING_DAYS * DAY_SECONDS * 1000)
    warnings.push(`The key expires on ${dayOf(expiresAt)}.`);
  const bits = Math.min(...key.getKeys().map((part) => rsaBitsOf(part) ?? Infinity));
  if (bits < RSA_BITS_ADVISED)
    warnings.push(`RSA with ${bits} bits is weak; ${RSA_BITS_ADVISED} or more are advised.`);
  return {
    fingerprint: key.getFingerprint().toUpperCase(),
    keyId: key.getKeyID().toHex().toUpperCase(),
    algorithm: algorithmOf(key),
    userIds: key.getUserIDs(),
    createdAt: key.getCreationTime(),
    expiresAt,
    revoked,
    canSign: await canSign(key, now),
    canEncrypt: await canEncrypt(key, now),
    private: key.isPrivate(),
    warnings,
  };
}

/** The public half, armoured: what is handed to the other side. */
export function exportPublicKey(key: Key): string {
  return key.toPublic().armor();
}

function canSign(key: Key, now: Date): Promise<boolean> {
  return key.getSigningKey(undefined, now).then(
    () => true,
    () => false,
  );
}

function canEncrypt(key: Key, now: Date): Promise<boolean> {
  return key.getEncryptionKey(undefined, now).then(
    () => true,
    () => false,
  );
}

type KeyPart = ReturnType<Key['getKeys']>[number];

function rsaBitsOf(part: KeyPart): number | null {
  const { algorithm, bits } = part.getAlgorithmInfo();
  return algorithm.startsWith('rsa') ? (bits ?? 0) : null;
}

const curveNames: ReadonlyMap<string, string> = new Map([
  ['ed25519Legacy', 'Curve25519'],
  ['curve25519Legacy', 'Curve25519'],
  ['nistP256', 'NIST P-256'],
  ['nistP384', 'NIST P-384'],
  ['nistP521', 'NIST P-521'],
  ['brainpoolP256r1', 'Brainpool P-256'],
  ['brainpoolP384r1', 'Brainpool P-384'],
  ['brainpoolP512r1', 'Brainpool P-512'],
]);

function algorithmOf(key: Key): string {
  const { algorithm, bits, curve } = key.getAlgorithmInfo();
  if (curve !== undefined) return curveNames.get(curve) ?? curve;
  if (algorithm.startsWith('rsa')) return `RSA ${bits}`;
  if (algorithm === 'ed25519') return 'Curve25519';
  if (algorithm === 'ed448') return 'Curve448';
  return bits === undefined ? algorithm : `${algorithm.toUpperCase()} ${bits}`;
}

const dayOf = (date: Date) => date.toISOString().slice(0, 10);
