import type { PrivateKey, PublicKey } from 'openpgp';

import { aeadModes } from './aead.ts';
import { withoutArmor } from './armor.ts';
import { ByteReader } from './byte-reader.ts';
import { ciphers } from './ciphers.ts';
import { decompress } from './decompress.ts';
import { decryptAead, gnupgChunking, seipdChunking, type AeadHeader } from './decrypt-aead.ts';
import { decryptCfb } from './decrypt-cfb.ts';
import {
  isIgnored,
  packetBody,
  readPacketHeader,
  readSmallBody,
  skipBody,
  tags,
  type PacketHeader,
} from './packet.ts';
import { PIECE_BYTES } from './piece.ts';
import { EnvelopeRefusal, malformed } from './refusal.ts';
import { SessionKeySearch, sessionKeyFor, type OpenedSessionKey } from './session-key.ts';
import { PendingSignature, type Verdict } from './signature.ts';

export interface OpenMessageOptions {
  /** Unlocked keys of the cell. */
  readonly decryptionKeys: readonly PrivateKey[];
  /** Keys registered for the tenant, expired and revoked ones included: theirs is another refusal. */
  readonly verificationKeys: readonly PublicKey[];
  readonly maxPlaintextBytes: number;
  readonly now?: Date;
}

export interface Verified {
  /** Fingerprint of the registered key (its primary key, should a subkey have signed). */
  readonly signer: string;
  readonly signedAt: Date;
  readonly plaintextBytes: number;
}

export interface OpenedMessage {
  /**
   * The literal data, in chunks of some 64 KiB, decrypted as they are pulled. NOTHING IN THEM IS VERIFIED before
   * the iteration has ended: integrity and signature are known at the last byte. When it throws, the caller
   * forgets every chunk it was given. It throws `EnvelopeRefusal`, or whatever the source threw.
   */
  readonly plaintext: AsyncIterable<Buffer>;
  /** Who signed. To be asked after `plaintext` has ended; before that it is a programming error and throws. */
  verified(): Verified;
}

/** Opens an OpenPGP message, binary or armoured, in memory that does not grow with it. */
export function openMessage(source: AsyncIterable<Uint8Array>, options: OpenMessageOptions): OpenedMessage {
  for (const key of options.decryptionKeys)
    if (!key.isDecrypted()) throw new Error('a decryption key is still locked by its passphrase');
  const reading = new Reading(options);
  return {
    plaintext: reading.open(source),
    verified() {
      if (reading.verified === null) throw new Error('the message has not been read to its end');
      return reading.verified;
    },
  };
}

/** No real session key or signature packet comes near; post-quantum ones included. */
const SMALL_PACKET_BYTES_MAX = 64 * 1024;
const SIGNATURES_MAX = 16;
/** Packets without data: session keys for others, markers, padding. Two bytes each can keep a processor busy. */
const SIDE_PACKETS_MAX = 1000;
const COMPRESSION_DEPTH_MAX = 2;

/** How much the packets inside compressed data may add to the plaintext they carry. */
const framedBytesMax = (plaintextBytesMax: number) =>
  plaintextBytesMax + plaintextBytesMax / 64 + 1024 * 1024;

class Reading {
  readonly #options: OpenMessageOptions;
  readonly #signatures: PendingSignature[] = [];
  #literalSeen = false;
  #sidePackets = 0;
  #plaintextBytes = 0;
  /** Known, but held back until the integrity of the whole message is: that refusal goes first. */
  #problem: EnvelopeRefusal | null = null;
  verified: Verified | null = null;

  constructor(options: OpenMessageOptions) {
    this.#options = options;
  }

  async *open(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
    const raw = new ByteReader(source);
    try {
      const message = await withoutArmor(raw);
      const decrypted = await this.#decrypt(message);
      yield* this.#content(decrypted, 0);
      await this.#expectEnd(message);
      if (this.#problem) throw this.#problem;
      this.verified = await this.#judgeSignatures();
    } finally {
      await raw.close();
    }
  }

  /** Reads up to the encrypted data and answers what is inside. */
  async #decrypt(message: ByteReader): Promise<ByteReader> {
    const search = new SessionKeySearch(this.#options.decryptionKeys);
    let first = true;
    for (;;) {
      const header = first ? await readFirstHeader(message) : await readPacketHeader(message);
      if (header === null) throw malformed('it holds no encrypted data');
      switch (header.tag) {
        case tags.publicKeyEncryptedSessionKey:
          this.#countSidePacket();
          await search.offer(await readSmallBody(message, header, SMALL_PACKET_BYTES_MAX));
          break;
        case tags.symmetricKeyEncryptedSessionKey: // for a passphrase, which a cell does not have
          this.#countSidePacket();
          await readSmallBody(message, header, SMALL_PACKET_BYTES_MAX);
          break;
        case tags.encrypted:
        case tags.gnupgAead:
        case tags.encryptedWithoutIntegrity:
          if (search.found === null) throw noKey(search);
          return new ByteReader(await openEncrypted(message, header, search.found));
        case tags.compressed:
        case tags.literal:
        case tags.onePassSignature:
        case tags.signature:
          if (!first) throw malformed(`a packet of type ${header.tag} stands before the encrypted data`);
          throw new EnvelopeRefusal(
            'no_decryption_key',
            'The message is not encrypted. Encrypt it to the public key of this cell.',
          );
        default:
          if (!isIgnored(header.tag))
            throw malformed(`a packet of type ${header.tag} stands before the encrypted data`);
          await this.#skip(message, header);
          continue; // what comes after a marker is still the first packet
      }
      first = false;
    }
  }

  /** The packets inside the encryption or, one level deeper, inside compression. */
  async *#content(packets: ByteReader, depth: number): AsyncGenerator<Buffer> {
    const announced: PendingSignature[] = [];
    let subjectSeen = false;
    for (;;) {
      const header = await readPacketHeader(packets);
      if (header === null) break;
      const { tag } = header;
      if (isIgnored(tag)) {
        await this.#skip(packets, header);
      } else if (tag === tags.onePassSignature && !subjectSeen) {
        const body = await readSmallBody(packets, header, SMALL_PACKET_BYTES_MAX);
        announced.push(this.#expect(PendingSignature.announced(body, this.#options.verificationKeys)));
      } else if (tag === tags.signature) {
        const body = await readSmallBody(packets, header, SMALL_PACKET_BYTES_MAX);
        if (!subjectSeen) {
          this.#expect(PendingSignature.complete(body, this.#options.verificationKeys));
          continue;
        }
        const pending = announced.pop(); // the last announced is the first to follow the data
        if (pending === undefined) throw malformed('it holds a signature that was not announced');
        pending.complete(body);
      } else if (tag === tags.literal && !this.#literalSeen) {
        subjectSeen = this.#literalSeen = true;
        yield* this.#literal(new ByteReader(packetBody(packets, header)));
      } else if (tag === tags.compressed && !subjectSeen) {
        subjectSeen = true;
        if (depth === COMPRESSION_DEPTH_MAX)
          throw malformed(`it is compressed more than ${COMPRESSION_DEPTH_MAX} times over`);
        const inside = decompress(new ByteReader(packetBody(packets, header)));
        yield* this.#content(new ByteReader(this.#limited(inside)), depth + 1);
      } else {
        throw malformed(`a packet of type ${tag} stands where none may`);
      }
    }
    if (!subjectSeen) throw malformed('it holds no data');
    if (announced.length > 0) throw malformed('it announces a signature that does not follow');
  }

  /** Only packets that say nothing may follow the encrypted data. */
  async #expectEnd(message: ByteReader): Promise<void> {
    for (let header = await readPacketHeader(message); header; header = await readPacketHeader(message)) {
      if (!isIgnored(header.tag)) throw malformed('bytes follow its encrypted data');
      await this.#skip(message, header);
    }
  }

  async #skip(packets: ByteReader, header: PacketHeader): Promise<void> {
    this.#countSidePacket();
    await skipBody(packets, header);
  }

  #countSidePacket(): void {
    if (++this.#sidePackets > SIDE_PACKETS_MAX)
      throw malformed(`it holds more than ${SIDE_PACKETS_MAX} packets without data`);
  }

  #expect(signature: PendingSignature): PendingSignature {
    if (this.#signatures.length === SIGNATURES_MAX)
      throw malformed(`it holds more than ${SIGNATURES_MAX} signatures`);
    this.#signatures.push(signature);
    return signature;
  }

  async *#literal(body: ByteReader): AsyncGenerator<Buffer> {
    const [format, nameBytes] = await body.exactly(2);
    if (!'btul1m'.includes(String.fromCharCode(format))) throw malformed('the format of its data is unknown');
    await body.exactly(nameBytes + 4); // a file name and a date, neither of them signed
    this.#problem = this.#problemSoFar();
    while (await body.fill(1)) {
      await body.fill(PIECE_BYTES);
      const chunk = body.take(Math.min(body.buffered, PIECE_BYTES));
      this.#plaintextBytes += chunk.length;
      if (this.#plaintextBytes > this.#options.maxPlaintextBytes) throw this.#tooLarge();
      if (this.#problem) continue; // only its integrity is of interest now
      for (const signature of this.#signatures) signature.update(chunk);
      yield chunk;
    }
  }

  #problemSoFar(): EnvelopeRefusal | null {
    if (this.#signatures.length === 0)
      return new EnvelopeRefusal(
        'unsigned',
        'The message is not signed. Sign it with the key registered for this cell, in the same step that encrypts it.',
      );
    if (this.#signatures.every((signature) => signature.isForeign))
      return unknownSigner(this.#signatures.map((signature) => signature.keyId));
    return null;
  }

  /** Compressed data can grow a thousandfold; stops it even where it yields no plaintext. */
  async *#limited(inside: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let left = framedBytesMax(this.#options.maxPlaintextBytes);
    for await (const chunk of inside) {
      left -= chunk.length;
      if (left < 0) throw this.#tooLarge();
      yield chunk;
    }
  }

  #tooLarge(): EnvelopeRefusal {
    if (this.#problem) return this.#problem;
    const megabytes = Math.floor(this.#options.maxPlaintextBytes / 1e6);
    return new EnvelopeRefusal(
      'too_large',
      `The decompressed data passes the limit of ${megabytes} MB. Split the portfolio into several files.`,
    );
  }

  async #judgeSignatures(): Promise<Verified> {
    const verdicts: Verdict[] = [];
    for (const signature of this.#signatures)
      verdicts.push(await signature.judge(this.#options.now ?? new Date()));
    for (const verdict of verdicts)
      if (verdict.outcome === 'verified') {
        const { signer, signedAt } = verdict;
        return { signer, signedAt, plaintextBytes: this.#plaintextBytes };
      }
    for (const verdict of verdicts)
      if (verdict.outcome === 'bad_signature')
        throw new EnvelopeRefusal(
          'bad_signature',
          `The signature of key ${verdict.keyId} does not hold: ${verdict.reason}. Sign the file again with a valid registered key.`,
        );
    throw unknownSigner(verdicts.map((verdict) => ('keyId' in verdict ? verdict.keyId : '')));
  }
}

/** The header of the very first packet, or the refusal that this is no OpenPGP message at all. */
async function readFirstHeader(message: ByteReader): Promise<PacketHeader | null> {
  const notOpenpgp = (why: string) =>
    new EnvelopeRefusal(
      'not_openpgp',
      `The file is not an OpenPGP message: ${why}. Sign it, encrypt it to the public key of this cell, and send the result.`,
    );
  // The longest header and the version after it; cut before that, there is nothing to recognise.
  await message.fill(7);
  let header: PacketHeader | null;
  try {
    header = await readPacketHeader(message);
  } catch {
    throw notOpenpgp('it does not begin with a packet');
  }
  if (header === null) return null;
  const { tag, length } = header;
  if (tag >= 5 && tag <= 7) throw notOpenpgp('it is a key');
  if (isIgnored(tag)) {
    if (tag === tags.marker || tag === tags.padding) return header;
    throw notOpenpgp('it begins with an unknown packet');
  }
  if (!(await message.fill(1))) throw notOpenpgp('it ends after a few bytes');
  const versions = firstBytes.get(tag);
  if (versions === undefined || !versions.includes(message.peek(0)))
    throw notOpenpgp('it does not begin with a packet');
  const small = tag <= 4;
  if (small && (header.partial || length === 'untilEnd' || length > SMALL_PACKET_BYTES_MAX))
    throw notOpenpgp('it does not begin with a packet');
  return header;
}

/** What the body of each packet that can open a message may begin with. */
const firstBytes: ReadonlyMap<number, readonly number[]> = new Map([
  [tags.publicKeyEncryptedSessionKey, [2, 3, 6]],
  [tags.signature, [2, 3, 4, 5, 6]],
  [tags.symmetricKeyEncryptedSessionKey, [4, 5, 6]],
  [tags.onePassSignature, [3, 6]],
  [tags.compressed, [0, 1, 2, 3]],
  [tags.encryptedWithoutIntegrity, Array.from({ length: 256 }, (_, byte) => byte)],
  [tags.literal, [...'btul1m'].map((format) => format.charCodeAt(0))],
  [tags.encrypted, [1, 2]],
  [tags.gnupgAead, [1]],
]);

async function openEncrypted(
  message: ByteReader,
  header: PacketHeader,
  opened: OpenedSessionKey,
): Promise<AsyncGenerator<Buffer>> {
  if (header.tag === tags.encryptedWithoutIntegrity)
    throw new EnvelopeRefusal(
      'integrity_failed',
      'The message has no integrity protection. Encrypt it with a current program, or without the options that switch the protection off (such as --disable-mdc).',
    );
  const data = new ByteReader(packetBody(message, header));
  const version = await data.byte();
  if (header.tag === tags.encrypted && version === 1) {
    if (opened.cipher === null) throw malformed('the versions of its session key and of its data differ');
    return decryptCfb(data, { cipher: opened.cipher, key: opened.key });
  }
  const isSeipd2 = header.tag === tags.encrypted && version === 2;
  if (!isSeipd2 && version !== 1) throw malformed(`version ${version} of encrypted data is unknown`);
  if ((opened.version === 6) !== isSeipd2)
    throw malformed('the versions of its session key and of its data differ');
  const [cipherNumber, modeNumber, chunkPower] = await data.exactly(3);
  const cipher = ciphers.get(cipherNumber);
  const mode = aeadModes.get(modeNumber);
  if (cipher === undefined || cipher.blockBytes !== 16 || mode === undefined)
    throw malformed(`its cipher ${cipherNumber} with mode ${modeNumber} is unknown`);
  if (chunkPower > (isSeipd2 ? 16 : 56)) throw malformed('the size of its chunks is out of range');
  const sessionKey = sessionKeyFor(opened, cipher);
  if (sessionKey === null) throw malformed('its session key does not fit its cipher');
  const aead: AeadHeader = {
    cipher,
    mode,
    identity: Buffer.from([0xc0 | header.tag, version, cipherNumber, modeNumber, chunkPower]),
    seed: Buffer.from(await data.exactly(isSeipd2 ? 32 : mode.nonceBytes)),
  };
  const chunking = isSeipd2 ? seipdChunking(aead, sessionKey) : gnupgChunking(aead, sessionKey);
  return decryptAead(data, 2 ** (chunkPower + 6), chunking);
}

function noKey(search: SessionKeySearch): EnvelopeRefusal {
  const to =
    search.recipients.size > 0 ? `for ${[...search.recipients].join(', ')}` : 'with a passphrase only';
  return new EnvelopeRefusal(
    'no_decryption_key',
    `The message is encrypted ${to}, and no key of this cell opens it. Encrypt it to the public key of this cell, with AES.`,
  );
}

function unknownSigner(keyIds: readonly string[]): EnvelopeRefusal {
  return new EnvelopeRefusal(
    'unknown_signer',
    `The message is signed by ${keyIds.join(', ')}, which is not registered for this cell. Register that key, or sign with the registered one.`,
  );
}
