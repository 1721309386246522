import { BrokenFraming, type Framing, FrameReader, writeFrames } from '#runtime/iso8583/framing.ts';

/** Larger messages are nobody's here. */
const FRAME_BYTES_MAX = 8192;

/** Gives each message of a connection to `onMessage`. The function it answers takes pieces; false ends it all. */
export function frameCutter(
  framing: Framing,
  onMessage: (message: Buffer) => void,
): (piece: Buffer) => boolean {
  const reader = new FrameReader(framing, FRAME_BYTES_MAX);
  return (piece) => {
    try {
      for (const message of reader.read(piece)) onMessage(message);
      return true;
    } catch (error) {
      if (error instanceof BrokenFraming) return false;
      throw error;
    }
  };
}

export const framed = (framing: Framing, message: Buffer): Buffer => writeFrames(framing, [message]);

export const headBytes = (framing: Framing): number => (framing === 'binary' ? 2 : 4);

/** Writes the length of a message that already stands behind it. */
export function writeHead(framing: Framing, bytes: number, into: Buffer, at: number): void {
  if (framing === 'binary') into.writeUInt16BE(bytes, at);
  else into.write(String(bytes).padStart(4, '0'), at, 'latin1');
}
