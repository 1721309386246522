import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { ByteReader } from '#runtime/openpgp/byte-reader.ts';

/**
 * Bytes in sealed frames (AES-256-GCM). A frame is 1 byte kind (0 another one follows, 1 the last), 4 bytes length, the
 * ciphertext, 16 bytes tag. The nonce is the frame's number, for a key seals one backup only; the additional data is
 * the binding (a hash of the header), the number, kind and length. So a frame that is altered, moved, left out or
 * taken from another backup does not open, and a file that ends before its last frame is known to be cut off.
 */
const FRAME_BYTES = 256 * 1024;
const HEAD_BYTES = 5;
const TAG_BYTES = 16;
const MORE = 0;
const LAST = 1;

export interface FrameSeal {
  readonly key: Buffer;
  readonly binding: Buffer;
}

export async function* sealFrames(source: AsyncIterable<Buffer>, seal: FrameSeal): AsyncGenerator<Buffer> {
  let number = 0;
  let filled = 0;
  const plain = Buffer.allocUnsafe(FRAME_BYTES);
  for await (const piece of source)
    for (let at = 0; at < piece.length;) {
      // A full frame waits for more: the last one has to be known as such.
      if (filled === FRAME_BYTES) {
        yield sealFrame(plain, seal, number++, MORE);
        filled = 0;
      }
      const count = Math.min(FRAME_BYTES - filled, piece.length - at);
      piece.copy(plain, filled, at, at + count);
      filled += count;
      at += count;
    }
  yield sealFrame(plain.subarray(0, filled), seal, number, LAST);
}

function sealFrame(plain: Buffer, { key, binding }: FrameSeal, number: number, kind: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(plain.length, 1);
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number));
  cipher.setAAD(Buffer.concat([binding, nonceOf(number), head]));
  const text = cipher.update(plain);
  cipher.final();
  return Buffer.concat([head, text, cipher.getAuthTag()]);
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

interface Faults {
  readonly cutOff: () => Error;
  readonly altered: () => Error;
}

/** Opens frames to the last one, after which nothing may come. What it yields is genuine; that it is all, its end says. */
export async function* openFrames(
  reader: ByteReader,
  { key, binding }: FrameSeal,
  faults: Faults,
): AsyncGenerator<Buffer> {
  for (let number = 0; ; number++) {
    if (!(await reader.fill(HEAD_BYTES))) throw faults.cutOff();
    const head = Buffer.from(reader.take(HEAD_BYTES));
    const kind = head.readUInt8(0);
    const length = head.readUInt32BE(1);
    if ((kind !== MORE && kind !== LAST) || length > FRAME_BYTES) throw faults.altered();
    if (!(await reader.fill(length + TAG_BYTES))) throw faults.cutOff();
    const text = reader.take(length);
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.concat([binding, nonceOf(number), head]));
    const plain = decipher.update(text);
    decipher.setAuthTag(reader.take(TAG_BYTES));
    try {
      decipher.final();
    } catch {
      throw faults.altered();
    }
    yield plain;
    if (kind === LAST) break;
  }
  if (!(await reader.atEnd())) throw faults.altered();
}
