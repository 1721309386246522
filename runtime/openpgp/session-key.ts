import {
  PublicKeyEncryptedSessionKeyPacket,
  type KeyID,
  type PrivateKey,
  type SecretKeyPacket,
} from 'openpgp';

import { ciphers, type BlockCipher, type SessionKey } from './ciphers.ts';

/** Attempts with our keys per message; each costs a public-key operation. */
const ATTEMPTS_MAX = 32;

/** What the library's packet has; its type declarations show none of it. */
interface SessionKeyPacket {
  version: number;
  publicKeyID: KeyID;
  sessionKey: Uint8Array | null;
  sessionKeyAlgorithm: number | null;
  read(body: Uint8Array): void;
  decrypt(key: SecretKeyPacket): Promise<void>;
}

/** What a session key packet held: version 3 names the cipher, version 6 leaves that to the data packet. */
export interface OpenedSessionKey {
  readonly version: 3 | 6;
  readonly key: Uint8Array;
  readonly cipher: BlockCipher | null;
}

/** Collects the session key packets of a message until one opens with our keys. */
export class SessionKeySearch {
  readonly #keys: readonly PrivateKey[];
  #attempts = 0;
  /** Key ids of the recipients, for the refusal. */
  readonly recipients = new Set<string>();
  found: OpenedSessionKey | null = null;

  constructor(keys: readonly PrivateKey[]) {
    this.#keys = keys;
  }

  async offer(body: Uint8Array): Promise<void> {
    if (this.found) return;
    const packet = new PublicKeyEncryptedSessionKeyPacket() as unknown as SessionKeyPacket;
    try {
      packet.read(new Uint8Array(body)); // not a Buffer: the library relies on `slice` making a copy
    } catch {
      return; // an algorithm or a version that none of our keys has
    }
    if (this.recipients.size < ATTEMPTS_MAX) this.recipients.add(packet.publicKeyID.toHex().toUpperCase());
    for (const key of this.#keys) {
      // No date: an expired key of the cell still opens what was encrypted to it. An all-zero id fits every key.
      const candidates = await key.getDecryptionKeys(packet.publicKeyID, null).catch(() => []);
      for (const { keyPacket } of candidates) {
        if (this.#attempts++ >= ATTEMPTS_MAX) return;
        this.found = await tryOpen(packet, keyPacket as SecretKeyPacket);
        if (this.found) return;
      }
    }
  }
}

async function tryOpen(packet: SessionKeyPacket, key: SecretKeyPacket): Promise<OpenedSessionKey | null> {
  try {
    await packet.decrypt(key);
  } catch {
    return null;
  }
  if (packet.sessionKey === null) return null;
  if (packet.version === 6) return { version: 6, key: packet.sessionKey, cipher: null };
  const cipher = ciphers.get(packet.sessionKeyAlgorithm ?? 0);
  if (cipher === undefined) return null;
  return { version: 3, key: packet.sessionKey, cipher };
}

/** The key for a data packet which names its cipher itself; null when the two do not fit together. */
export function sessionKeyFor(opened: OpenedSessionKey, cipher: BlockCipher): SessionKey | null {
  if (opened.cipher !== null && opened.cipher !== cipher) return null;
  return opened.key.length === cipher.keyBytes ? { cipher, key: opened.key } : null;
}
