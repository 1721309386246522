import type { Deflate, Inflate, InflateRaw, ZstdCompress, ZstdDecompress } from 'node:zlib';

/** The engine found its input to be damaged or cut short. */
export class ZlibFailure extends Error {}

/**
 * Sends bytes through one of Node's zlib engines, which work on another thread: while one piece is in the engine,
 * the next is being read. Errors of the source come out as they are.
 */
export async function* throughZlib(
  source: AsyncIterable<Uint8Array>,
  engine: Deflate | Inflate | InflateRaw | ZstdCompress | ZstdDecompress,
): AsyncGenerator<Buffer> {
  let sourceFailure: { readonly error: unknown } | null = null;
  const feed = async () => {
    try {
      for await (const chunk of source) {
        // When the compressed data has ended before the source, the engine ends too and never answers.
        await new Promise((resolve) => engine.write(chunk, resolve));
        if (engine.destroyed) return;
      }
      engine.end();
    } catch (error) {
      sourceFailure = { error };
      engine.destroy(new Error('the source failed'));
    }
  };
  void feed();
  try {
    for await (const chunk of engine) yield chunk as Buffer;
  } catch (error) {
    const failure = sourceFailure as { readonly error: unknown } | null;
    throw failure ? failure.error : new ZlibFailure((error as Error).message);
  }
}
