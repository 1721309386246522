import { BrokenFraming, type Framing, FrameReader } from '#runtime/iso8583/framing.ts';
import { iso87ascii } from '#runtime/iso8583/iso87ascii.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { Malformed, unpack } from '#runtime/iso8583/unpack.ts';
import { Refusal } from '#runtime/refusal.ts';

/** What stands around messages in a file. */
export type Wrapping = Framing | 'none';

const HEAD_BYTES: Readonly<Record<Wrapping, number>> = { none: 0, binary: 2, ascii: 4 };
const FRAME_BYTES_MAX = 65_535;

/**
 * The messages in what somebody captured: bytes or their hexadecimal digits, alone or framed. What was not told is
 * found out by trying: strict reading leaves one way open. Throws a Refusal that repeats nothing of the content.
 */
export function readMessages(content: Buffer, wrapping?: Wrapping): Message[] {
  if (content.length === 0)
    throw new Refusal('malformed_message', 'There is nothing to read.', {
      advice: 'Give a message as bytes or as hexadecimal digits.',
    });
  const wrappings = wrapping ? [wrapping] : (['none', 'binary', 'ascii'] as const);
  let likely: Refusal | null = null;
  let first: Refusal | null = null;
  for (const bytes of bytesIn(content))
    for (const each of wrappings)
      try {
        return unpackAll(bytes, each);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        first ??= error;
        if (beginsWithMessage(bytes, HEAD_BYTES[each])) likely ??= error;
      }
  throw (likely ?? first)!;
}

/** The ways in which content can be bytes: by its digits, as it is, and without the end of a line. */
function bytesIn(content: Buffer): Buffer[] {
  const text = content.toString('latin1');
  const line = text.replace(/\r?\n$/, '');
  const ways = [content];
  if (line.length < text.length) ways.push(content.subarray(0, line.length));
  if (/^\s*(?:[0-9a-fA-F]{2}\s*)+$/.test(text)) ways.unshift(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
  return ways;
}

/** A type of the version of 1987, and a bitmap: what a message would begin with, whatever is wrong behind it. */
const beginsWithMessage = (bytes: Buffer, at: number): boolean =>
  /^0[1-8][0-4]\d[0-9A-Fa-f]{16}/.test(bytes.toString('latin1', at, at + 20));

function unpackAll(bytes: Buffer, wrapping: Wrapping): Message[] {
  const frames = framesIn(bytes, wrapping);
  return frames.map((frame, i) => {
    try {
      return unpack(frame);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      throw malformed(error, frames.length > 1 ? `Message ${i + 1}` : 'This');
    }
  });
}

function framesIn(bytes: Buffer, wrapping: Wrapping): Buffer[] {
  if (wrapping === 'none') return [bytes];
  const reader = new FrameReader(wrapping, FRAME_BYTES_MAX);
  try {
    const frames = [...reader.read(bytes)];
    if (reader.partialBytes > 0) throw new BrokenFraming('the last frame is cut short');
    if (frames.length === 0) throw new BrokenFraming('no frame holds a message');
    return frames;
  } catch (error) {
    if (!(error instanceof BrokenFraming)) throw error;
    throw new Refusal('broken_framing', `The framing is broken: ${error.message}.`, {
      advice: 'Say --framing none, binary or ascii.',
    });
  }
}

function malformed({ field, reason, message, partial }: Malformed, which: string): Refusal {
  const name = iso87ascii[field]?.name;
  const sound = partial?.fields() ?? [];
  return new Refusal(
    'malformed_message',
    `${which} is no sound message: ${name ? `field ${field} (${name}) ${reason}` : message}.`,
    {
      advice:
        sound.length > 0
          ? `It was read as ${partial!.mti} with sound fields ${sound.join(', ')}.`
          : 'Messages are ISO 8583:1987 in ASCII with hexadecimal bitmaps; --framing tells what stands before them.',
    },
  );
}
