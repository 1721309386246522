import {
  AEADEncryptedDataPacket,
  config,
  createMessage,
  encryptSessionKey,
  enums,
  generateKey,
  LiteralDataPacket,
  OnePassSignaturePacket,
  sign,
  SignaturePacket,
  SymEncryptedIntegrityProtectedDataPacket,
  type AnySecretKeyPacket,
  type Config,
  type PrivateKey,
  type PublicKey,
} from 'openpgp';
import { createHash, randomBytes } from 'node:crypto';

import { packet, tags } from '../packet.ts';
import { signPacket } from '../sign-packet.ts';

/** One way to encrypt, as the library writes it: an implementation that shares no code with ours. */
export interface Encryption {
  readonly form: 'seipd1' | 'seipd2' | 'gnupg';
  readonly cipher?: 'tripledes' | 'aes128' | 'aes192' | 'aes256';
  readonly mode?: 'eax' | 'ocb' | 'gcm';
  /** Chunks are of 2^(this + 6) bytes. */
  readonly chunkPower?: number;
}

/** What the library's packets can do and their type declarations hide. */
interface EncryptingPacket {
  version: number;
  aeadAlgorithm: number;
  packets: { write(): Uint8Array };
  encrypt(cipher: number, key: Uint8Array, config: Config): Promise<void>;
  write(): Uint8Array | ReadableStream<Uint8Array>;
}

const keyBytes = { tripledes: 24, aes128: 16, aes192: 24, aes256: 32 };

/** The body of an encrypted packet around any content, and the session key packets before it. */
export async function encrypt(
  content: Uint8Array,
  encryptionKeys: PublicKey[],
  { form, cipher = 'aes256', mode = 'ocb', chunkPower = 6 }: Encryption,
): Promise<{ sessionKeys: Buffer; tag: number; body: Buffer }> {
  const data = new Uint8Array(randomBytes(keyBytes[cipher]));
  const sessionKeys = await encryptSessionKey({
    data,
    algorithm: cipher,
    aeadAlgorithm: form === 'seipd2' ? mode : undefined,
    encryptionKeys,
    format: 'binary',
  });
  const written = new (
    form === 'gnupg' ? AEADEncryptedDataPacket : SymEncryptedIntegrityProtectedDataPacket
  )();
  const encrypting = written as unknown as EncryptingPacket;
  encrypting.version = form === 'seipd2' ? 2 : 1;
  encrypting.aeadAlgorithm = enums.aead[mode];
  // Not a Buffer: the library relies on `slice` making a copy.
  encrypting.packets = { write: () => new Uint8Array(content) };
  await encrypting.encrypt(enums.symmetric[cipher], data, { ...config, aeadChunkSizeByte: chunkPower });
  return {
    sessionKeys: Buffer.from(sessionKeys),
    tag: form === 'gnupg' ? tags.gnupgAead : tags.encrypted,
    body: await whole(encrypting.write()),
  };
}

/** The library answers AEAD in a stream of its own make. */
async function whole(bytes: Uint8Array | ReadableStream<Uint8Array>): Promise<Buffer> {
  if (bytes instanceof Uint8Array) return Buffer.from(bytes);
  const reader = bytes.getReader();
  const chunks: Uint8Array[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
  return Buffer.concat(chunks);
}

/** A whole message around any content. */
export async function encryptedMessage(
  content: Uint8Array,
  encryptionKeys: PublicKey[],
  encryption: Encryption = { form: 'seipd1' },
): Promise<Buffer> {
  const { sessionKeys, tag, body } = await encrypt(content, encryptionKeys, encryption);
  return Buffer.concat([sessionKeys, packet(tag, body)]);
}

export function literal(data: Uint8Array, format = 'b', filename = ''): Buffer {
  const name = Buffer.from(filename);
  return packet(
    tags.literal,
    Buffer.concat([Buffer.from(format), Buffer.from([name.length]), name, Buffer.alloc(4), data]),
  );
}

/** Announcement, literal data, signature. */
export async function signedContent(
  data: Uint8Array,
  signingKeys: PrivateKey | PrivateKey[],
  date?: Date,
): Promise<Buffer> {
  const message = await createMessage({ binary: data });
  return Buffer.from(await sign({ message, signingKeys, date, format: 'binary' }));
}

interface SignatureChoices {
  readonly hash: number;
  readonly type?: number;
  readonly date?: Date;
  readonly change?: (signature: SignaturePacket) => void;
}

/** The packets of a signature with choices the library's own functions do not offer. */
export async function signatureOver(
  data: Uint8Array,
  key: PrivateKey,
  { hash, type = enums.signature.binary, date = new Date(), change }: SignatureChoices,
): Promise<{ announcement: Buffer; signature: Buffer }> {
  const { keyPacket } = await key.getSigningKey(undefined, date);
  const signature = new SignaturePacket();
  signature.signatureType = type;
  signature.hashAlgorithm = hash;
  signature.publicKeyAlgorithm = keyPacket.algorithm;
  change?.(signature);
  const document = new LiteralDataPacket();
  await document.read(Buffer.concat([Buffer.from('b'), Buffer.alloc(5), data]));
  // Its salt in a notation goes without: there is none for the hashes that are no longer sound.
  const plain = { ...config, nonDeterministicSignaturesViaNotation: false };
  await signPacket(signature, keyPacket as AnySecretKeyPacket, document, date, plain);
  const onePass = (
    OnePassSignaturePacket as unknown as {
      fromSignaturePacket(signature: SignaturePacket, last: boolean): OnePassSignaturePacket;
    }
  ).fromSignaturePacket(signature, true);
  return {
    announcement: packet(tags.onePassSignature, onePass.write()),
    signature: packet(tags.signature, signature.write()),
  };
}

export async function newKey(
  name: string,
  options: Partial<Parameters<typeof generateKey>[0]> = {},
): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    userIDs: { name, email: `${name}@example.org` },
    ...options,
    format: 'object',
  });
  return privateKey;
}

export const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
