import { createInflate, createInflateRaw, type Inflate, type InflateRaw } from 'node:zlib';

import { bunzip2 } from './bunzip2.ts';
import type { ByteReader } from './byte-reader.ts';
import { PIECE_BYTES } from './piece.ts';
import { malformed } from './refusal.ts';
import { throughZlib, ZlibFailure } from './through-zlib.ts';

/** The content of a compressed packet, whose first byte names the algorithm (RFC 9580, 9.4). */
export async function* decompress(body: ByteReader): AsyncGenerator<Buffer> {
  const algorithm = await body.byte();
  switch (algorithm) {
    case 0:
      return yield* body.rest();
    case 1:
      return yield* inflate(body, createInflateRaw({ chunkSize: PIECE_BYTES }));
    case 2:
      return yield* inflate(body, createInflate({ chunkSize: PIECE_BYTES }));
    case 3:
      return yield* bunzip2(body);
    default:
      throw malformed(`its compression algorithm ${algorithm} is unknown`);
  }
}

async function* inflate(body: ByteReader, engine: Inflate | InflateRaw): AsyncGenerator<Buffer> {
  let fed = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of body.rest()) {
      fed += chunk.length;
      yield chunk;
    }
  }
  try {
    yield* throughZlib(counted(), engine);
  } catch (error) {
    if (error instanceof ZlibFailure) throw malformed(`its compressed data is damaged (${error.message})`);
    throw error;
  }
  if (engine.bytesWritten < fed || !(await body.atEnd()))
    throw malformed('bytes follow the end of its compressed data');
}
