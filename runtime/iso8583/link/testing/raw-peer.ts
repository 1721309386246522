import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until } from '#tools/testing/until.ts';

/** A length of two bytes before each text; shares no code with what is tested. */
export const framesOf = (...texts: readonly string[]): Buffer =>
  Buffer.concat(
    texts.map((text) =>
      Buffer.concat([Buffer.from([text.length >> 8, text.length & 255]), Buffer.from(text, 'latin1')]),
    ),
  );

/** Takes texts from the front of `bytes` for as long as whole ones are there. */
export function takeTexts(bytes: Buffer): { texts: string[]; rest: Buffer } {
  const texts: string[] = [];
  while (bytes.length >= 2 && bytes.length >= 2 + bytes[0] * 256 + bytes[1]) {
    const end = 2 + bytes[0] * 256 + bytes[1];
    texts.push(bytes.toString('latin1', 2, end));
    bytes = bytes.subarray(end);
  }
  return { texts, rest: bytes };
}

/** The other end of a connection, as raw as it comes. */
export class RawPeer {
  readonly socket: Socket;
  readonly texts: string[] = [];
  /** How its connection ended: `end` in order, otherwise with the code of the error. */
  ending: string | null = null;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (piece) => {
      const { texts, rest } = takeTexts(Buffer.concat([this.#rest, piece]));
      this.texts.push(...texts);
      this.#rest = rest;
    });
    socket.on('end', () => (this.ending ??= 'end'));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.ending ??= error.code ?? error.message));
  }

  static async connect(port: number): Promise<RawPeer> {
    const peer = new RawPeer(connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }));
    await once(peer.socket, 'connect');
    return peer;
  }

  send(...texts: readonly string[]): void {
    this.socket.write(framesOf(...texts));
  }

  /** Waits for that many texts in all. */
  async received(count: number): Promise<readonly string[]> {
    await until(`${count} frames have come back`, () => this.texts.length >= count || this.ending !== null);
    return this.texts;
  }

  /** Waits until the other side has ended it, and ends it as well. */
  async ended(): Promise<string> {
    await until('the connection is ended', () => this.ending !== null);
    this.socket.destroy();
    return this.ending ?? '';
  }

  destroy(): void {
    this.socket.destroy();
  }
}
