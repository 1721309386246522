import { createHash, type Hash } from 'node:crypto';

import { SignaturePacket, type PublicKey } from 'openpgp';

import { malformed } from './refusal.ts';
import { CanonicalLines } from './text-lines.ts';

const TYPE_BINARY = 0;
const TYPE_TEXT = 1;

/** How far the clock of a signer may be ahead of ours. */
const SKEW_MS = 5 * 60_000;

/** Hashes a signature may use, by number (RFC 9580, 9.5), and the salt a version 6 signature brings for each. */
const hashes: ReadonlyMap<number, { name: string; saltBytes: number }> = new Map([
  [8, { name: 'sha256', saltBytes: 16 }],
  [9, { name: 'sha384', saltBytes: 24 }],
  [10, { name: 'sha512', saltBytes: 32 }],
  [11, { name: 'sha224', saltBytes: 16 }],
  [12, { name: 'sha3-256', saltBytes: 16 }],
  [14, { name: 'sha3-512', saltBytes: 32 }],
]);

export type Verdict =
  | { readonly outcome: 'verified'; readonly signer: string; readonly signedAt: Date }
  | { readonly outcome: 'unknown_signer'; readonly keyId: string }
  | { readonly outcome: 'bad_signature'; readonly keyId: string; readonly reason: string };

/** What must be known before the data to hash it for a signature. */
interface Announcement {
  readonly type: number;
  readonly hash: number;
  readonly salt: Buffer;
  /** 16 hexadecimal digits; all zero when the message does not say. */
  readonly issuer: string;
}

/**
 * One signature over the literal data.
 *
 *   announced   a one-pass packet stood before the data   -> hashed -> completed by the packet after the data
 *   complete    the signature itself stood before the data -> hashed
 */
export class PendingSignature {
  readonly #announcement: Announcement;
  readonly #hash: Hash | null;
  readonly #lines: CanonicalLines | null;
  readonly #keys: readonly PublicKey[];
  #packet: SignaturePacket | null;

  private constructor(
    announcement: Announcement,
    packet: SignaturePacket | null,
    keys: readonly PublicKey[],
  ) {
    this.#announcement = announcement;
    this.#keys = keys;
    this.#packet = packet;
    this.#lines = announcement.type === TYPE_TEXT ? new CanonicalLines() : null;
    const hash = hashes.get(announcement.hash);
    this.#hash = hash && !this.isForeign ? createHash(hash.name).update(announcement.salt) : null;
  }

  /** From the body of a one-pass signature packet. */
  static announced(body: Buffer, keys: readonly PublicKey[]): PendingSignature {
    return new PendingSignature(readOnePass(body), null, keys);
  }

  /** From the body of a signature packet before the data, as PGP wrote it long ago. */
  static complete(body: Buffer, keys: readonly PublicKey[]): PendingSignature {
    const packet = readSignature(body);
    const announcement = {
      type: packet?.signatureType ?? TYPE_BINARY,
      hash: packet?.hashAlgorithm ?? 0,
      salt: saltOf(packet),
      issuer: packet?.issuerKeyID.toHex() ?? '0'.repeat(16),
    };
    return new PendingSignature(announcement, packet, keys);
  }

  /** Made by a key that is surely not registered. Such a signature is not worth hashing for. */
  get isForeign(): boolean {
    const { issuer } = this.#announcement;
    if (/^0*$/.test(issuer)) return false;
    return !this.#keys.some((key) => key.getKeys().some((part) => part.getKeyID().toHex() === issuer));
  }

  get keyId(): string {
    return this.#announcement.issuer.toUpperCase();
  }

  update(chunk: Buffer): void {
    this.#hash?.update(this.#lines ? this.#lines.update(chunk) : chunk);
  }

  /** Takes the signature packet that stands after the data. */
  complete(body: Buffer): void {
    this.#packet = readSignature(body);
  }

  async judge(now: Date): Promise<Verdict> {
    const packet = this.#packet;
    const bad = (reason: string): Verdict => ({ outcome: 'bad_signature', keyId: this.keyId, reason });
    if (this.isForeign) return { outcome: 'unknown_signer', keyId: this.keyId };
    if (packet === null || packet.created === null) return bad('it is damaged, or of an obsolete form');
    const { type, hash, salt, issuer } = this.#announcement;
    const issuerNow = packet.issuerKeyID.toHex();
    if (packet.signatureType !== type || packet.hashAlgorithm !== hash || !saltOf(packet).equals(salt))
      return bad('it is not the one the message announces');
    if (!/^0*$/.test(issuer) && issuer !== issuerNow) return bad('it is not the one the message announces');
    if (type !== TYPE_BINARY && type !== TYPE_TEXT) return bad('it is not a signature over a document');
    const key = this.#keys.find((each) =>
      each.getKeys().some((part) => part.getKeyID().toHex() === issuerNow),
    );
    const part = key?.getKeys().find((each) => each.getKeyID().toHex() === issuerNow);
    if (key === undefined || part === undefined)
      return { outcome: 'unknown_signer', keyId: issuerNow.toUpperCase() };
    if (this.#hash === null) return bad('its hash algorithm is not accepted; use SHA-256 or SHA-512');
    const bytes = packet.signatureData;
    if (bytes === null) return bad('it is damaged');
    if (part.keyPacket.version !== packet.version) return bad('its version is not the one of its key');
    if (part.keyPacket.created > packet.created) return bad('it is older than its key');
    // The library takes the digest from here instead of hashing the data itself.
    const hashed = this.#hash.update(bytes).update(trailer(packet.version, bytes.length)).digest();
    Object.assign(packet, { hashed });
    const latest = new Date(now.getTime() + SKEW_MS);
    try {
      await packet.verify(part.keyPacket, type, new Uint8Array(), latest);
    } catch (error) {
      return bad(reasonOf(error));
    }
    // Valid today, not only when it signed: who stole a key that was then revoked can choose the date.
    const keyDate = packet.created > now ? packet.created : now;
    try {
      await key.getSigningKey(part.getKeyID(), keyDate);
    } catch (error) {
      return bad(`its key is expired, revoked, or not made for signing (${reasonOf(error)})`);
    }
    return {
      outcome: 'verified',
      signer: key.getFingerprint().toUpperCase(),
      signedAt: packet.created,
    };
  }
}

function readOnePass(body: Buffer): Announcement {
  const version = body[0];
  if (version === 3 && body.length === 13)
    return {
      type: body[1],
      hash: body[2],
      salt: Buffer.alloc(0),
      issuer: body.toString('hex', 4, 12),
    };
  const saltEnd = 5 + body[4];
  if (version === 6 && body.length === saltEnd + 33)
    return {
      type: body[1],
      hash: body[2],
      salt: Buffer.from(body.subarray(5, saltEnd)),
      issuer: body.toString('hex', saltEnd, saltEnd + 8),
    };
  throw malformed('the announcement of a signature cannot be read');
}

function readSignature(body: Buffer): SignaturePacket | null {
  const packet = new SignaturePacket();
  try {
    packet.read(new Uint8Array(body)); // not a Buffer: the library relies on `slice` making a copy
  } catch {
    return null;
  }
  return packet;
}

/** The salt of a version 6 signature, which the library reads and its type declarations do not show. */
function saltOf(packet: SignaturePacket | null): Buffer {
  const salt = (packet as { salt?: Uint8Array | null } | null)?.salt;
  return Buffer.from(salt ?? []);
}

/** What every signature hashes last (RFC 9580, 5.2.4). */
export function trailer(version: number, signedBytes: number): Buffer {
  const bytes = Buffer.from([version, 0xff, 0, 0, 0, 0]);
  bytes.writeUInt32BE(signedBytes, 2);
  return bytes;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : 'no reason given';
}
