import { hkdfSync } from 'node:crypto';

import { openChunk, TAG_BYTES, type AeadMode, type ChunkKey } from './aead.ts';
import type { ByteReader } from './byte-reader.ts';
import type { BlockCipher, SessionKey } from './ciphers.ts';
import { PIECE_BYTES } from './piece.ts';
import { cutShort } from './refusal.ts';

/** What stands before the chunks of an AEAD packet. */
export interface AeadHeader {
  readonly cipher: BlockCipher;
  readonly mode: AeadMode;
  /** Packet type, version, cipher, mode and chunk size: authenticated with every chunk. */
  readonly identity: Buffer;
  /** The salt (version 2) or starting nonce (GnuPG). */
  readonly seed: Buffer;
}

/** How the chunks are tied to their place: the nonce, and what is authenticated besides the ciphertext. */
interface Chunking {
  readonly chunkKey: ChunkKey;
  nonce(index: bigint): Buffer;
  associated(index: bigint): Buffer;
  /** Likewise for the tag at the very end, which fixes the length. */
  associatedFinal(index: bigint, totalBytes: bigint): Buffer;
}

/** Encrypted data of version 2 (RFC 9580, 5.13.2). */
export function seipdChunking(header: AeadHeader, { key }: SessionKey): Chunking {
  const { mode, cipher, identity, seed } = header;
  const prefixBytes = mode.nonceBytes - 8;
  const derived = Buffer.from(hkdfSync('sha256', key, seed, identity, cipher.keyBytes + prefixBytes));
  const prefix = derived.subarray(cipher.keyBytes);
  return {
    chunkKey: { mode, nodeName: cipher.nodeName, key: derived.subarray(0, cipher.keyBytes) },
    nonce: (index) => Buffer.concat([prefix, uint64(index)]),
    associated: () => identity,
    associatedFinal: (_, totalBytes) => Buffer.concat([identity, uint64(totalBytes)]),
  };
}

/** GnuPG's own packet of the years before RFC 9580 (draft-ietf-openpgp-rfc4880bis-10, 5.16). */
export function gnupgChunking(header: AeadHeader, { key }: SessionKey): Chunking {
  const { mode, cipher, identity, seed } = header;
  const counterAt = mode.nonceBytes - 8;
  const start = seed.readBigUInt64BE(counterAt);
  return {
    chunkKey: { mode, nodeName: cipher.nodeName, key },
    nonce: (index) => Buffer.concat([seed.subarray(0, counterAt), uint64(start ^ index)]),
    associated: (index) => Buffer.concat([identity, uint64(index)]),
    associatedFinal: (index, totalBytes) => Buffer.concat([identity, uint64(index), uint64(totalBytes)]),
  };
}

/**
 * Opens the chunks one by one. A piece may be given out before the tag of its chunk is seen (a chunk can be larger
 * than memory), and none counts before the final tag: it alone tells the end from a cut at a chunk's edge.
 */
export async function* decryptAead(
  data: ByteReader,
  chunkBytes: number,
  chunking: Chunking,
): AsyncGenerator<Buffer> {
  const ciphertext = Buffer.allocUnsafe(Math.min(PIECE_BYTES, chunkBytes));
  const heldBack = 2 * TAG_BYTES; // never ciphertext: at the end they are the last chunk's tag and the final one
  let index = 0n;
  let totalBytes = 0n;
  while (await data.fill(TAG_BYTES + 1)) {
    const opener = openChunk(chunking.chunkKey, chunking.nonce(index), chunking.associated(index));
    let left = chunkBytes;
    while (left > 0) {
      await data.fill(Math.min(left, PIECE_BYTES) + heldBack);
      const count = Math.min(left, PIECE_BYTES, data.buffered - heldBack);
      if (count <= 0) break;
      data.copy(ciphertext, 0, count);
      yield opener.update(ciphertext.subarray(0, count));
      left -= count;
      totalBytes += BigInt(count);
    }
    if (!(await data.fill(heldBack))) throw cutShort();
    yield opener.finish(data.take(TAG_BYTES));
    index++;
  }
  if (data.buffered !== TAG_BYTES) throw cutShort();
  const final = openChunk(
    chunking.chunkKey,
    chunking.nonce(index),
    chunking.associatedFinal(index, totalBytes),
  );
  final.finish(data.take(TAG_BYTES));
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
