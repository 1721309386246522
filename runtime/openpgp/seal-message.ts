import { createCipheriv, createHash, randomBytes, type Hash } from 'node:crypto';
import { constants, createDeflate } from 'node:zlib';

import {
  encryptSessionKey,
  enums,
  SignaturePacket,
  type AnySecretKeyPacket,
  type PrivateKey,
  type PublicKey,
} from 'openpgp';

import { armored } from './armor.ts';
import { assertUsable } from './keys.ts';
import { packet, streamedPacket, tags } from './packet.ts';
import { signPacket } from './sign-packet.ts';
import { trailer } from './signature.ts';
import { throughZlib } from './through-zlib.ts';

export interface SealMessageOptions {
  /** The unlocked key of the cell. */
  readonly signingKey: PrivateKey;
  readonly encryptionKeys: readonly PublicKey[];
  readonly armored?: boolean;
  readonly compress?: boolean;
  readonly filename?: string;
  /** When it is signed; keys must be valid then. */
  readonly date?: Date;
}

/**
 * Signs and encrypts in one pass, in memory that does not grow with the data.
 *
 * Written is what every OpenPGP program since 2002 reads, GnuPG 2.2 included: AES-256 in CFB mode with the
 * modification detection code. The AEAD modes of RFC 9580 would shut out recipients and gain them nothing here.
 */
export async function* sealMessage(
  plaintext: AsyncIterable<Uint8Array>,
  options: SealMessageOptions,
): AsyncGenerator<Buffer> {
  const message = binaryMessage(plaintext, options);
  yield* options.armored ? armored(message) : message;
}

async function* binaryMessage(
  plaintext: AsyncIterable<Uint8Array>,
  options: SealMessageOptions,
): AsyncGenerator<Buffer> {
  const { encryptionKeys, signingKey, date = new Date() } = options;
  if (encryptionKeys.length === 0) throw new Error('a message needs a recipient');
  for (const key of encryptionKeys) await assertUsable(key, { for: 'encryption', now: date });
  await assertUsable(signingKey, { for: 'signing', now: date });
  const sessionKey = new Uint8Array(randomBytes(32));
  const recipients = await encryptSessionKey({
    data: sessionKey,
    algorithm: 'aes256',
    encryptionKeys: [...encryptionKeys],
    format: 'binary',
    date,
  });
  yield Buffer.from(recipients);
  const signed = await signedContent(plaintext, options, date);
  const content = options.compress ? streamedPacket(tags.compressed, deflated(signed)) : signed;
  yield* streamedPacket(tags.encrypted, encrypted(content, sessionKey));
}

/** Announcement, literal data, signature. */
async function signedContent(
  plaintext: AsyncIterable<Uint8Array>,
  { signingKey, filename = '' }: SealMessageOptions,
  date: Date,
): Promise<AsyncGenerator<Buffer>> {
  const { keyPacket } = await signingKey.getSigningKey(undefined, date);
  const key = keyPacket as AnySecretKeyPacket;
  if (key.version !== 4) throw new Error('a message is signed with a key of version 4');
  const signature = new StreamedSignature(key);
  return (async function* () {
    yield packet(tags.onePassSignature, signature.announcement());
    yield* streamedPacket(tags.literal, literal(plaintext, { signature, filename, date }));
    yield packet(tags.signature, await signature.finish(date));
  })();
}

async function* literal(
  plaintext: AsyncIterable<Uint8Array>,
  { signature, filename, date }: { signature: StreamedSignature; filename: string; date: Date },
): AsyncGenerator<Uint8Array> {
  const name = Buffer.from(filename);
  if (name.length > 255) throw new Error('a file name takes at most 255 bytes');
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(Math.floor(date.getTime() / 1000));
  yield Buffer.concat([Buffer.from('b'), Buffer.from([name.length]), name, seconds]);
  for await (const chunk of plaintext) {
    signature.digest.update(chunk);
    yield chunk;
  }
}

/**
 * The library's signature packet over data it never sees: it is given our digest of them.
 *
 * The digest is SHA-256: every reader of RFC 4880 and RFC 9580 must know it, and with today's processors it is
 * twice as fast as SHA-512.
 */
class StreamedSignature extends SignaturePacket {
  readonly digest: Hash = createHash('sha256');
  readonly #key: AnySecretKeyPacket;

  constructor(key: AnySecretKeyPacket) {
    super();
    this.#key = key;
    this.signatureType = enums.signature.binary;
    this.hashAlgorithm = enums.hash.sha256;
    this.publicKeyAlgorithm = key.algorithm;
  }

  announcement(): Buffer {
    const onePass = Buffer.from([3, enums.signature.binary, enums.hash.sha256, this.#key.algorithm]);
    const last = Buffer.from([1]); // no further announcement follows
    return Buffer.concat([onePass, Buffer.from(this.#key.getKeyID().toHex(), 'hex'), last]);
  }

  async finish(date: Date): Promise<Uint8Array> {
    await signPacket(this, this.#key, new Uint8Array(), date);
    return this.write();
  }

  /** Called by the library for the bytes to sign; without them it signs what `hash` answers. */
  toHash(): undefined {}

  /** Called by the library once it has set what is signed besides the data. */
  async hash(): Promise<Uint8Array> {
    const signed = this.signatureData ?? new Uint8Array();
    return this.digest.update(signed).update(trailer(this.version, signed.length)).digest();
  }
}

const ZLIB = 2;

async function* deflated(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  yield Buffer.from([ZLIB]);
  yield* throughZlib(content, createDeflate({ chunkSize: 64 * 1024, level: constants.Z_BEST_SPEED }));
}

async function* encrypted(
  content: AsyncIterable<Uint8Array>,
  sessionKey: Uint8Array,
): AsyncGenerator<Buffer> {
  yield Buffer.from([1]); // version
  const cipher = createCipheriv('aes-256-cfb', sessionKey, Buffer.alloc(16));
  const mdc = createHash('sha1');
  const random = randomBytes(16);
  const prefix = Buffer.concat([random, random.subarray(14)]);
  mdc.update(prefix);
  yield cipher.update(prefix);
  for await (const chunk of content) {
    mdc.update(chunk);
    yield cipher.update(chunk);
  }
  const header = Buffer.from([0xd3, 0x14]);
  yield cipher.update(Buffer.concat([header, mdc.update(header).digest()]));
}
