import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { open, seal, type VersionedKey } from '#runtime/vault/seal.ts';

const KEY_BYTES = 32;
/** Of sealed answers. The key never changes, and a sealed value has to name a version. */
const VERSION = 1;

/**
 * The codes and seals of this service, all under one key of the cell file, which the database never sees. Secrets are
 * coded with the key itself, everything else with keys derived from it.
 */
export class AccessKeys {
  readonly #secrets: KeyObject;
  readonly #requests: KeyObject;
  readonly #answers: VersionedKey;

  constructor(clientSecretKey: Buffer) {
    const derived = (what: string) =>
      createSecretKey(
        Buffer.from(
          hkdfSync('sha256', clientSecretKey, Buffer.alloc(0), `relevo access 1 ${what}`, KEY_BYTES),
        ),
      );
    this.#secrets = createSecretKey(clientSecretKey);
    this.#requests = derived('requests');
    this.#answers = { version: VERSION, key: derived('answers') };
  }

  /** The code of a secret is that of its client, too: laid into another client's row it fits nothing. */
  codeOfSecret(clientId: string, secret: string): Buffer {
    return codeOf(this.#secrets, [clientId, secret]);
  }

  /**
   * What stands for texts that clients choose. A plain digest would not do: a body holds a card number, and those are
   * few enough to try them all.
   */
  codeOfRequest(kind: 'name' | 'content', texts: readonly string[]): Buffer {
    return codeOf(this.#requests, [kind, ...texts]);
  }

  sealAnswer(body: Uint8Array, requestCode: Buffer): Buffer {
    return seal(this.#answers, body, requestCode);
  }

  openAnswer(sealed: Buffer, requestCode: Buffer): Buffer {
    return open(this.#answers.key, sealed, requestCode);
  }
}

/** Each text after its length, so that none can be shifted into the next. */
function codeOf(key: KeyObject, texts: readonly string[]): Buffer {
  const hmac = createHmac('sha256', key);
  for (const text of texts) {
    const bytes = Buffer.from(text);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    hmac.update(length).update(bytes);
  }
  return hmac.digest();
}
