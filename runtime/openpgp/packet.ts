import type { ByteReader } from './byte-reader.ts';
import { cutShort, malformed } from './refusal.ts';

/** Packet types (RFC 9580, 5) that a message may hold. */
export const tags = {
  publicKeyEncryptedSessionKey: 1,
  signature: 2,
  symmetricKeyEncryptedSessionKey: 3,
  onePassSignature: 4,
  compressed: 8,
  encryptedWithoutIntegrity: 9,
  marker: 10,
  literal: 11,
  encrypted: 18,
  gnupgAead: 20,
  padding: 21,
} as const;

/** Types from here on are to be ignored by those who do not know them (RFC 9580, 4.3). */
const NON_CRITICAL_FROM = 40;

const FIRST_PARTIAL_OCTET = 224;

/** The first part must be of 512 bytes or more, and no program writes smaller ones; many would only cost time. */
const SMALL_PART_BYTES = 512;
const SMALL_PARTS_MAX = 1000;

export interface PacketHeader {
  readonly tag: number;
  /** Bytes of the body, or of its first part; `untilEnd` for the old form without any length. */
  readonly length: number | 'untilEnd';
  /** More parts follow the first. */
  readonly partial: boolean;
}

/** Packets which say nothing: markers, padding, and types only newer programs know. */
export function isIgnored(tag: number): boolean {
  return tag === tags.marker || tag === tags.padding || tag >= NON_CRITICAL_FROM;
}

/** The next packet's header; null at the end. The reader then stands at the body. */
export async function readPacketHeader(reader: ByteReader): Promise<PacketHeader | null> {
  if (await reader.atEnd()) return null;
  const first = await reader.byte();
  if ((first & 0x80) === 0) throw malformed('a packet begins with a byte that no packet begins with');
  if ((first & 0x40) !== 0) return { tag: first & 0x3f, ...(await readNewLength(reader)) };
  const tag = (first >> 2) & 0x0f;
  const lengthType = first & 0x03;
  if (lengthType === 3) return { tag, length: 'untilEnd', partial: false };
  const bytes = 1 << lengthType;
  return { tag, length: (await reader.exactly(bytes)).readUIntBE(0, bytes), partial: false };
}

async function readNewLength(reader: ByteReader): Promise<Omit<PacketHeader, 'tag'>> {
  const first = await reader.byte();
  if (first < 192) return { length: first, partial: false };
  if (first < FIRST_PARTIAL_OCTET)
    return { length: ((first - 192) << 8) + (await reader.byte()) + 192, partial: false };
  if (first < 255) return { length: 2 ** (first & 0x1f), partial: true };
  return { length: (await reader.exactly(4)).readUInt32BE(), partial: false };
}

/** The body of a packet, in pieces as they come. To be read to its end before the next header. */
export async function* packetBody(reader: ByteReader, header: PacketHeader): AsyncGenerator<Buffer> {
  if (header.length === 'untilEnd') {
    yield* reader.rest();
    return;
  }
  let part: Omit<PacketHeader, 'tag'> = header;
  let smallParts = 0;
  for (;;) {
    let left = part.length as number;
    if (left < SMALL_PART_BYTES && ++smallParts > SMALL_PARTS_MAX)
      throw malformed('a packet is cut into very many small parts');
    while (left > 0) {
      const piece = await reader.next(left);
      if (piece === null) throw cutShort();
      left -= piece.length;
      yield piece;
    }
    if (!part.partial) return;
    part = await readNewLength(reader);
  }
}

export async function skipBody(reader: ByteReader, header: PacketHeader): Promise<void> {
  const body = packetBody(reader, header);
  while (!(await body.next()).done);
}

/** The whole body of a packet that is small by its nature. */
export async function readSmallBody(
  reader: ByteReader,
  header: PacketHeader,
  bytesMax: number,
): Promise<Buffer> {
  if (header.partial || header.length === 'untilEnd' || header.length > bytesMax)
    throw malformed(`a packet of type ${header.tag} is larger than any real one`);
  return reader.exactly(header.length);
}

/** A packet with a body that is at hand. */
export function packet(tag: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0xc0 | tag]), lengthOctets(body.length), body]);
}

const PART_POWER = 16;
const PART_BYTES = 1 << PART_POWER;

/** A packet whose length is not known before its end: parts of 64 KiB, then the rest with its length. */
export async function* streamedPacket(tag: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  // One frame is header and part together. The very first carries the packet type too.
  let frame = Buffer.allocUnsafe(2 + PART_BYTES);
  frame[0] = 0xc0 | tag;
  let start = 1; // where this frame's length octet stands
  let used = 0;
  for await (const piece of body) {
    for (let at = 0; at < piece.length;) {
      if (used === PART_BYTES) {
        frame[start] = FIRST_PARTIAL_OCTET | PART_POWER;
        yield frame.subarray(0, start + 1 + PART_BYTES);
        frame = Buffer.allocUnsafe(1 + PART_BYTES);
        start = 0;
        used = 0;
      }
      const count = Math.min(piece.length - at, PART_BYTES - used);
      frame.set(piece.subarray(at, at + count), start + 1 + used);
      used += count;
      at += count;
    }
  }
  yield Buffer.concat([
    frame.subarray(0, start),
    lengthOctets(used),
    frame.subarray(start + 1, start + 1 + used),
  ]);
}

function lengthOctets(length: number): Buffer {
  if (length < 192) return Buffer.from([length]);
  if (length < 8384) return Buffer.from([((length - 192) >> 8) + 192, (length - 192) & 0xff]);
  const octets = Buffer.alloc(5, 0xff);
  octets.writeUInt32BE(length, 1);
  return octets;
}
