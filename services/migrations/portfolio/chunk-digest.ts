import { hash } from 'node:crypto';
import type { LineBatch } from './line-cutter.ts';

export const DIGEST_BYTES = 16;

/** The first half of the SHA-256 of a batch: what tells a later pass that it reads the same lines. */
export function chunkDigest(batch: LineBatch): Buffer {
  return hash('sha256', batch.bytes, 'buffer').subarray(0, DIGEST_BYTES);
}

/** Whether this batch is the one that was in its place when `digests` were taken. */
export function isSameChunk(digests: Buffer, batch: LineBatch): boolean {
  const at = batch.index * DIGEST_BYTES;
  return digests.subarray(at, at + DIGEST_BYTES).equals(chunkDigest(batch));
}
