import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto';

/**
 * A sealed value: 2 bytes key version, 12 bytes nonce, the ciphertext, 16 bytes tag (AES-256-GCM).
 * The additional data binds it to its place, so that a value moved to another row or field does not open.
 */
export const VERSION_BYTES = 2;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const OVERHEAD_BYTES = VERSION_BYTES + NONCE_BYTES + TAG_BYTES;

export interface VersionedKey {
  readonly version: number;
  readonly key: KeyObject;
}

export const newKey = (): KeyObject => createSecretKey(randomBytes(32));

/** Nonces are drawn from the system's generator many at a time: one call a value costs as much as the cipher. */
const noncePool = Buffer.allocUnsafe(NONCE_BYTES * 1024);
let nonceAt = noncePool.length;

function nextNonce(): Buffer {
  if (nonceAt === noncePool.length) {
    randomFillSync(noncePool);
    nonceAt = 0;
  }
  nonceAt += NONCE_BYTES;
  return noncePool.subarray(nonceAt - NONCE_BYTES, nonceAt);
}

export function seal({ version, key }: VersionedKey, plain: Uint8Array, place: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(OVERHEAD_BYTES + plain.length);
  const nonce = nextNonce();
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(place);
  const text = cipher.update(plain);
  cipher.final();
  sealed.writeUInt16BE(version, 0);
  sealed.set(nonce, VERSION_BYTES);
  sealed.set(text, VERSION_BYTES + NONCE_BYTES);
  sealed.set(cipher.getAuthTag(), sealed.length - TAG_BYTES);
  return sealed;
}

export const sealedVersion = (sealed: Buffer): number => sealed.readUInt16BE(0);

/** Throws when the value was altered, moved or sealed with another key. */
export function open(key: KeyObject, sealed: Buffer, place: Uint8Array): Buffer {
  if (sealed.length < OVERHEAD_BYTES) throw new Error('a sealed value is too short to be one');
  const nonce = sealed.subarray(VERSION_BYTES, VERSION_BYTES + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(place);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(VERSION_BYTES + NONCE_BYTES, sealed.length - TAG_BYTES));
  decipher.final();
  return plain;
}
