import { PassThrough, type Readable, type TransformCallback } from 'node:stream';
import { hasBody } from './body-length.ts';
import type { Exchange } from './exchange.ts';
import { Problem } from './problems.ts';

/** The client went away; there is nobody to answer. */
export class ClientGone extends Error {
  constructor() {
    super('The client went away.');
    this.name = 'ClientGone';
  }
}

interface BodyLimits {
  readonly bytesMax: number;
  readonly msMax: number;
}

export const tooLarge = (bytesMax: number): Problem =>
  new Problem('body_too_large', { detail: `A body has ${bytesMax} bytes at most here.` });

const tooSlow = (msMax: number): Problem =>
  new Problem('too_slow', { detail: `The body has to be here within ${msMax / 1_000} seconds.` });

/** The body in one piece; null where there is none. */
export function takeWhole(exchange: Exchange, { bytesMax, msMax }: BodyLimits): Promise<Buffer | null> {
  const { request, response } = exchange;
  if (!hasBody(request)) return Promise.resolve(null);
  begin(exchange);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const settle = (result: () => void) => {
      clearTimeout(late);
      request.off('data', take).off('end', done);
      response.off('close', gone);
      result();
    };
    const take = (chunk: Buffer) => {
      exchange.bytesIn += chunk.length;
      chunks.push(chunk);
      if (exchange.bytesIn > bytesMax) settle(() => reject(tooLarge(bytesMax)));
    };
    const done = () => settle(() => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    const gone = () => settle(() => reject(new ClientGone()));
    const late = setTimeout(() => settle(() => reject(tooSlow(msMax))), msMax);
    request.on('data', take).once('end', done);
    // Not the request's own: once it is answered, a request that breaks off tells nobody.
    response.once('close', gone);
  });
}

/** The body as it comes. What is wrong with it is the error of the stream; the request itself can still be answered. */
export function passOn(exchange: Exchange, { bytesMax, msMax }: BodyLimits): Readable {
  const { request, response } = exchange;
  begin(exchange);
  const body = new PassThrough({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      exchange.bytesIn += chunk.length;
      if (exchange.bytesIn > bytesMax) done(tooLarge(bytesMax));
      else done(null, chunk);
    },
  });
  const late = setTimeout(() => body.destroy(tooSlow(msMax)), msMax);
  response.once('close', () => request.complete || body.destroy(new ClientGone()));
  body.once('close', () => {
    clearTimeout(late);
    request.unpipe(body);
  });
  // Whoever reads it hears of its errors; without a reader there is nobody to tell.
  body.on('error', () => undefined);
  return request.pipe(body);
}

function begin({ awaitsContinue, response }: Exchange): void {
  if (awaitsContinue) response.writeContinue();
}
