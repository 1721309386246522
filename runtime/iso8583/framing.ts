/** What stands before each message on a connection: its length as two bytes, or as four ASCII digits. */
export const FRAMINGS = ['binary', 'ascii'] as const;
export type Framing = (typeof FRAMINGS)[number];

const HEAD_BYTES: Readonly<Record<Framing, number>> = { binary: 2, ascii: 4 };
const FRAME_BYTES_MAX: Readonly<Record<Framing, number>> = { binary: 0xffff, ascii: 9999 };

/** The bytes of a connection make no frames: the connection cannot go on. */
export class BrokenFraming extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'BrokenFraming';
  }
}

/** Finds the frames in a stream of bytes, wherever it was cut. Frames of no length keep a connection alive and are passed over. */
export class FrameReader {
  readonly #framing: Framing;
  readonly #bytesMax: number;
  /** What came of the frame that is not complete yet. */
  #pieces: Buffer[] = [];
  #held = 0;

  constructor(framing: Framing, frameBytesMax: number) {
    this.#framing = framing;
    this.#bytesMax = Math.min(frameBytesMax, FRAME_BYTES_MAX[framing]);
  }

  /** Bytes of a frame that has begun and not ended. */
  get partialBytes(): number {
    return this.#held;
  }

  /** The frames that these bytes complete; each has memory of its own. Throws BrokenFraming, behind the good ones. */
  *read(piece: Buffer): Generator<Buffer, void, undefined> {
    const headBytes = HEAD_BYTES[this.#framing];
    let bytes = piece;
    if (this.#held > 0) {
      this.#pieces.push(piece);
      this.#held += piece.length;
      if (this.#held < this.#wanted()) return;
      bytes = Buffer.concat(this.#pieces, this.#held);
      this.#pieces = [];
      this.#held = 0;
    }
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const length = this.#lengthAt(bytes, at);
      if (bytes.length - at - headBytes < length) break;
      at += headBytes;
      if (length > 0) yield Buffer.from(bytes.subarray(at, at + length));
      at += length;
    }
    if (at === bytes.length) return;
    const rest = Buffer.from(bytes.subarray(at));
    this.#pieces = [rest];
    this.#held = rest.length;
  }

  /** How many bytes the frame in hand needs before it is worth putting together. */
  #wanted(): number {
    const headBytes = HEAD_BYTES[this.#framing];
    if (this.#held < headBytes) return headBytes;
    if (this.#pieces[0].length < headBytes) {
      this.#pieces = [Buffer.concat(this.#pieces, this.#held)];
    }
    return headBytes + this.#lengthAt(this.#pieces[0], 0);
  }

  #lengthAt(bytes: Buffer, at: number): number {
    let length = 0;
    if (this.#framing === 'binary') length = bytes.readUInt16BE(at);
    else
      for (let i = at; i < at + 4; i++) {
        if (!isDigit(bytes[i]))
          throw new BrokenFraming('a frame must begin with four digits that count its bytes');
        length = length * 10 + bytes[i] - 0x30;
      }
    if (length > this.#bytesMax)
      throw new BrokenFraming(
        `a frame of ${length} bytes is announced; ${this.#bytesMax} are the most` +
          (this.#framing === 'binary' && isDigit(bytes[at]) && isDigit(bytes[at + 1])
            ? ' (the length looks like ASCII digits)'
            : ''),
      );
    return length;
  }
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** Frames one after the other, each behind its length. */
export function writeFrames(framing: Framing, frames: readonly Buffer[]): Buffer {
  const headBytes = HEAD_BYTES[framing];
  let total = 0;
  for (const frame of frames) total += headBytes + frame.length;
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const frame of frames) {
    if (frame.length > FRAME_BYTES_MAX[framing])
      throw new RangeError(`a frame of ${frame.length} bytes does not fit ${framing} framing`);
    if (framing === 'binary') at = bytes.writeUInt16BE(frame.length, at);
    else at += bytes.write(String(frame.length).padStart(4, '0'), at, 'latin1');
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}
