import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { PROBLEM_HEADER } from '#runtime/http/problems.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Problem, type ProblemCode } from './problems.ts';
import type { Upstream } from './routing-table.ts';
import { ClientGone } from './take-body.ts';
import type { Upstreams } from './upstreams.ts';

export interface Forwarding {
  readonly upstreams: Upstreams;
  readonly limits: GatewayLimits;
  /** Where requests of the cell go now; null when it is gone. */
  readonly live: () => Upstream | null;
  /** Names and values in turn; nothing of them is a client's but what is allowed. */
  readonly headers: string[];
  readonly body: Buffer | Readable | null;
}

/** A process may be gone, or go while it is asked, and another colour may go live meanwhile. */
const ATTEMPTS_MAX = 3;

/** What of a cell's answer its client gets. */
const ANSWER_HEADERS = [
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'cache-control',
  'etag',
  'last-modified',
  'vary',
  'allow',
  'retry-after',
  'www-authenticate',
  'link',
] as const;

/** Asks the cell and passes its answer on; resolves when the answer is over. */
export async function forward(exchange: Exchange, forwarding: Forwarding): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const upstream = forwarding.live();
    if (upstream === null) throw new Problem('cell_unavailable');
    const pool = await reached(forwarding.upstreams, upstream);
    if (exchange.isOver) throw new ClientGone();
    const asking = new Asking(exchange, forwarding);
    try {
      return await asking.on(pool);
    } catch (error) {
      if (error instanceof Problem || error instanceof ClientGone) throw error;
      // Nothing answers there: its process sleeps, or another one serves now.
      if (!asking.isSent) void forwarding.upstreams.retire(upstream, pool);
      if (attempt === ATTEMPTS_MAX || !asking.mayBeRepeated)
        throw new Problem(asking.isSent ? 'upstream_broken' : 'cell_unavailable');
    }
  }
}

async function reached(upstreams: Upstreams, upstream: Upstream): Promise<Pool> {
  try {
    return await upstreams.pool(upstream);
  } catch (error) {
    if (error instanceof Refusal || error instanceof Problem) throw new Problem('cell_unavailable');
    throw error;
  }
}

/** One attempt: from the request on a connection to the end of its answer. */
class Asking implements Dispatcher.DispatchHandler {
  /** Something of the request may have reached the cell. */
  isSent = false;
  readonly #exchange: Exchange;
  readonly #forwarding: Forwarding;
  readonly #settled = Promise.withResolvers<void>();
  #controller: Dispatcher.DispatchController | null = null;
  /** Why it is to be broken off, once there is something to break. */
  #stopped: Error | null = null;
  #deadline: NodeJS.Timeout | undefined;
  #sentAt = 0;
  /** Bytes of the answer that are still to come, where it says how many. */
  #left: number | null = null;

  constructor(exchange: Exchange, forwarding: Forwarding) {
    this.#exchange = exchange;
    this.#forwarding = forwarding;
  }

  on(pool: Pool): Promise<void> {
    const { request, response } = this.#exchange;
    const { headers, body, limits } = this.#forwarding;
    const isStream = body !== null && !Buffer.isBuffer(body);
    this.#stopAfter(limits.upstreamMsMax + (isStream ? limits.bodyMsMax : 0), 'upstream_too_slow');
    const gone = () => this.#stop(new ClientGone());
    response.once('close', gone);
    this.#sentAt = performance.now();
    pool.dispatch(
      { method: request.method as Dispatcher.HttpMethod, path: request.url!, headers, body },
      this,
    );
    return this.#settled.promise.finally(() => {
      clearTimeout(this.#deadline);
      response.off('close', gone);
    });
  }

  get mayBeRepeated(): boolean {
    const { body } = this.#forwarding;
    const isThere = body === null || Buffer.isBuffer(body) || !(this.isSent || body.destroyed);
    // A reading does no harm twice. Whether anything else had its effect, only its sender can ask.
    return isThere && !this.#exchange.isAnswered && (!this.isSent || this.#exchange.request.method === 'GET');
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#stopped !== null) return controller.abort(this.#stopped);
    this.#controller = controller;
    this.isSent = true;
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController): void {
    controller.abort(new Problem('upstream_broken'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    const exchange = this.#exchange;
    exchange.upstreamMs = performance.now() - this.#sentAt;
    this.#left = headers['content-length'] === undefined ? null : Number(headers['content-length']);
    this.#stopAfter(this.#forwarding.limits.answerMsMax, 'upstream_broken');
    if (status >= 400) exchange.code ??= problemCodeIn(headers);
    exchange.begin(status, answerHeaders(headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { response } = this.#exchange;
    this.#exchange.bytesOut += chunk.length;
    if (this.#left !== null && (this.#left -= chunk.length) === 0) {
      // The last piece leaves together with the end: for most answers, everything in one packet.
      response.end(chunk);
    } else if (!response.write(chunk)) {
      controller.pause();
      response.once('drain', () => controller.resume());
    }
  }

  onResponseEnd(): void {
    if (!this.#exchange.response.writableEnded) this.#exchange.response.end();
    this.#settled.resolve();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#settled.reject(this.#stopped ?? error);
  }

  #stopAfter(ms: number, code: ProblemCode): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#stop(new Problem(code)), ms);
  }

  /** In the queue of a pool it cannot be broken off: it still takes its turn there, and is told then. */
  #stop(why: Error): void {
    this.#stopped ??= why;
    if (this.#controller !== null) this.#controller.abort(why);
    else if (!this.#exchange.isOver && why instanceof Problem) this.#exchange.refuse(why);
  }
}

const IS_CODE = /^[a-z][a-z0-9_]{0,63}$/;

/** For the access log: which problem the cell has answered, and nothing of its words. */
function problemCodeIn({ [PROBLEM_HEADER]: code }: IncomingHttpHeaders): string | null {
  return typeof code === 'string' && IS_CODE.test(code) ? code : null;
}

function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const taken: OutgoingHttpHeaders = {};
  for (const name of ANSWER_HEADERS) {
    const value = headers[name];
    if (value !== undefined) (taken as Record<string, string | string[]>)[name] = value;
  }
  // Another host is none of the cell's business, and its own is not known to it.
  const { location } = headers;
  if (typeof location === 'string' && /^\/(?![/\\])/.test(location)) taken['location'] = location;
  return taken;
}
