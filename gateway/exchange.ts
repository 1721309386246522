import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { AccessEntry } from './access-log.ts';
import { hasBody, isSmall } from './body-length.ts';
import type { Problem, ProblemCode } from './problems.ts';
import { PROBLEM_TYPE, problemBody } from './problems.ts';
import type { Cell, Endpoint } from './routes.ts';
import { requestIdOf, type TraceContext, traceContext } from './trace-context.ts';
import { challengeOf } from './tokens/verify-token.ts';
import type { Caller } from './tokens/verify-token.ts';

/** After an answer to a request whose body is still coming, so much more of it is taken and thrown away, for so long. */
const LINGER_BYTES_MAX = 1_048_576;
const LINGER_MS_MAX = 2_000;
/** A year, and without the names below this one: they may be of somebody who serves them otherwise. */
const HSTS = 'max-age=31536000';

/** Where such a request ends is not sure, so nothing behind it on its connection is read as the next one. */
const UNCLEAR: ReadonlySet<ProblemCode> = new Set([
  'bad_http',
  'bad_target',
  'headers_too_large',
  'too_slow',
]);

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

/** One request and its answer. It is answered once, and logged once, when its answer is over. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly startedAt: number;
  cell: Cell | null = null;
  endpoint: Endpoint | null = null;
  caller: Caller | null = null;
  code: AccessEntry['code'] = null;
  bytesIn = 0;
  bytesOut = 0;
  upstreamMs: number | null = null;
  /** Told to a client with each answer after its rate was taken. */
  rateHeaders: Readonly<Record<string, string>> = {};
  /** A client that waits for it is told to send its body. */
  readonly awaitsContinue: boolean;
  readonly #at: number;
  #isRefused = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { at, awaitsContinue }: { at: number; awaitsContinue: boolean },
  ) {
    this.request = request;
    this.response = response;
    this.awaitsContinue = awaitsContinue;
    this.#at = at;
    this.startedAt = performance.now();
    this.requestId = requestIdOf(single(request.headers['x-request-id']));
    this.trace = traceContext(single(request.headers.traceparent), single(request.headers.tracestate));
  }

  get isAnswered(): boolean {
    return this.response.headersSent;
  }

  get isOver(): boolean {
    return this.response.writableEnded || this.response.destroyed;
  }

  /** A body that is not here yet; what is left of a small one is thrown away and the connection kept. */
  get #isStillComing(): boolean {
    const { request, awaitsContinue } = this;
    return hasBody(request) && !request.complete && (awaitsContinue || !isSmall(request));
  }

  /** Writes status and headers. Whoever answers while a body is still coming ends the connection. */
  begin(status: number, headers: OutgoingHttpHeaders): void {
    const { response } = this;
    if (this.#isStillComing) response.shouldKeepAlive = false;
    response.writeHead(status, {
      'x-request-id': this.requestId,
      'strict-transport-security': HSTS,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      ...this.rateHeaders,
      ...headers,
    });
  }

  answer(status: number, headers: OutgoingHttpHeaders, body: string | Buffer): void {
    if (this.isAnswered || this.isOver) return;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const isStillComing = this.#isStillComing;
    this.begin(status, { ...headers, 'content-length': bytes.length });
    this.bytesOut = bytes.length;
    if (isStillComing && !this.awaitsContinue) this.#linger(bytes);
    else this.response.end(bytes);
  }

  /** A connection that is closed while bytes of a request are unread takes the answer away from its client. */
  #linger(bytes: Buffer): void {
    const { request, response } = this;
    response.write(bytes);
    let left = LINGER_BYTES_MAX;
    const end = () => {
      clearTimeout(late);
      request.off('data', count).off('end', end);
      response.end();
    };
    const count = (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) end();
    };
    const late = setTimeout(end, LINGER_MS_MAX);
    request.on('data', count).once('end', end);
    response.once('close', () => clearTimeout(late));
    request.resume();
  }

  refuse(problem: Problem): void {
    if (this.isOver || this.#isRefused) return;
    this.#isRefused = true;
    this.code ??= problem.code;
    if (UNCLEAR.has(problem.code)) this.response.shouldKeepAlive = false;
    // What has begun cannot be taken back; broken off, its client sees that it is not whole.
    if (this.isAnswered) return void this.response.destroy();
    const headers: OutgoingHttpHeaders = {
      'content-type': PROBLEM_TYPE,
      ...(problem.status === 503 && { 'retry-after': '1' }),
      ...problem.headers,
    };
    if (problem.status === 401 || problem.status === 403)
      headers['www-authenticate'] = challengeOf(
        this.cell?.route.cell ?? 'relevo',
        problem,
        this.endpoint?.kind === 'operation' ? this.endpoint.http.scope : undefined,
      );
    this.answer(problem.status, headers, JSON.stringify(problemBody(problem)));
  }

  entry(): AccessEntry {
    const { response } = this;
    const isCut = !response.writableFinished;
    return {
      at: new Date(this.#at).toISOString(),
      requestId: this.requestId,
      traceId: this.trace.traceId,
      cell: this.cell?.route.cell ?? null,
      clientId: this.caller?.clientId ?? null,
      method: this.request.method ?? null,
      route: this.endpoint?.template ?? null,
      status: response.headersSent ? response.statusCode : 0,
      code: this.code ?? (isCut ? 'client_gone' : null),
      ms: rounded(performance.now() - this.startedAt),
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      upstreamMs: this.upstreamMs === null ? null : rounded(this.upstreamMs),
    };
  }
}

const single = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? undefined : value;
