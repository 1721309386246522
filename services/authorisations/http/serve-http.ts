import { STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Answer, Incoming } from '../pipeline/task.ts';
import { fromMessage } from '../request/from-iso8583.ts';
import { isMalformed } from '../request/request.ts';
import { crossFaults, malformedFault, yearFault } from './cross-faults.ts';
import { decisionBody } from './decision-body.ts';
import { type Endpoint, endpoints } from './endpoints.ts';
import { problemOf, type SchemaError } from './field-faults.ts';
import { formats } from './formats.ts';
import { openApi } from './openapi.ts';
import { invalidRequest, MEDIA_TYPE, Problem, problemBody, type ProblemCode, problems } from './problems.ts';
import { DecisionBody, type MessageBody, NoQuery } from './schemas.ts';
import { toMessage } from './to-message.ts';
import { tokenCheck } from './token.ts';

export interface HttpOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Whoever sends a message must know it. */
  readonly token: string;
  /** Further connections are ended as soon as they are there. */
  readonly connectionsMax?: number;
  /** After so long without a decision the sender is told that none was made in time. */
  readonly answerMsMax?: number;
  readonly submit: (incoming: Incoming) => Promise<Answer>;
  readonly isReady: () => boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** A defect; what a request held is not in it. */
  readonly onTrouble?: (error: unknown) => void;
}

export interface HttpDoor {
  readonly port: number;
  /** Takes nothing more; answers under way still go out, for so long. */
  close(graceMs?: number): Promise<void>;
}

const BODY_BYTES_MAX = 16_384;
const HEADER_BYTES_MAX = 8_192;
const HEADERS_MAX = 64;
/** For headers and body together: what comes more slowly only holds a connection. */
const RECEIVE_MS_MAX = 10_000;
const LOOK_AFTER_SLOW_MS = 1_000;
/** Longer than load balancers keep theirs, so that they never send into a connection that is being closed. */
const KEEP_ALIVE_MS = 75_000;
const CONNECTIONS_MAX = 256;
const ANSWER_MS_MAX = 6_000;
const GRACE_MS = 5_000;

/** Messages as JSON over HTTP: the same operations as over ISO 8583, for hosts that speak this. */
export async function serveHttp(options: HttpOptions): Promise<HttpDoor> {
  const app = buildServer(options);
  const { server } = app;
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  server.maxHeadersCount = HEADERS_MAX;
  await app.listen({ host: options.host, port: options.port });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async close(graceMs = GRACE_MS) {
      const late = setTimeout(() => server.closeAllConnections(), graceMs);
      await app.close().finally(() => clearTimeout(late));
    },
  };
}

/** The server without a socket; tests send it requests directly. */
export function buildServer(options: HttpOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: RECEIVE_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Messages that come while the process ends are still decided: the pipeline is closed after its doors.
    return503OnClosing: false,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: RECEIVE_MS_MAX,
      connectionsCheckingInterval: LOOK_AFTER_SLOW_MS,
    },
    ajv: {
      customOptions: {
        allErrors: true,
        verbose: true,
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        keywords: ['x-must'],
        formats: { ...formats },
      },
    },
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemFor(error, options)),
    clientErrorHandler: answerBadHttp,
  });
  takeJsonAlone(app);
  app.setErrorHandler<FastifyError>((error, _request, reply) =>
    sendProblem(reply, problemFor(error, options)),
  );
  app.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    done(null, payload);
  });
  for (const endpoint of endpoints) addEndpoint(app, endpoint, options);
  addPlainPaths(app, options);
  refuseAllElse(app);
  return app;
}

function takeJsonAlone(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  );
}

function addEndpoint(app: FastifyInstance, endpoint: Endpoint, options: HttpOptions): void {
  const isToken = tokenCheck(options.token);
  app.post<{ Body: MessageBody }>(
    endpoint.path,
    {
      schema: { body: endpoint.schema, querystring: NoQuery, response: { 200: DecisionBody } },
      // Before the body is read: a stranger's card numbers are none of our business.
      onRequest: (request, _reply, done) =>
        done(isToken(request.headers.authorization) ? undefined : new Problem('unauthorised')),
    },
    ({ body }) => decide(endpoint, body, options),
  );
}

async function decide(
  endpoint: Endpoint,
  body: MessageBody,
  { submit, now = Date.now, answerMsMax = ANSWER_MS_MAX }: HttpOptions,
): Promise<DecisionBody> {
  const message = toMessage(endpoint.mtiOf(body), body);
  const faults = crossFaults(message.mti, body);
  if (faults.length > 0) throw invalidRequest(faults);
  const request = fromMessage(message, new Date(now()));
  if (isMalformed(request)) throw invalidRequest([malformedFault(request)]);
  const yearFaults = yearFault(request, body);
  if (yearFaults.length > 0) throw invalidRequest(yearFaults);
  return decisionBody(body, await inTime(submit({ request, message }), answerMsMax));
}

/** The framework's own limit would count the time in which the body comes, too. */
async function inTime(answer: Promise<Answer>, ms: number): Promise<Answer> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Problem('failed')), ms);
  });
  return Promise.race([answer, tooLate]).finally(() => clearTimeout(late));
}

function addPlainPaths(app: FastifyInstance, { isReady }: HttpOptions): void {
  const document = JSON.stringify(openApi());
  app.get('/healthz', (_request, reply) => reply.send({ status: 'alive' }));
  app.get('/readyz', (_request, reply) =>
    isReady() ? reply.send({ status: 'ready' }) : sendProblem(reply, new Problem('not_ready')),
  );
  app.get('/openapi.json', (_request, reply) => reply.type('application/json').send(document));
}

function refuseAllElse(app: FastifyInstance): void {
  const posts = endpoints.map(({ path }) => path);
  const gets = ['/healthz', '/readyz', '/openapi.json'];
  app.setNotFoundHandler((request, reply) => {
    const [path] = request.url.split('?', 1);
    const allowed = posts.includes(path) ? 'POST' : gets.includes(path) ? 'GET, HEAD' : null;
    if (allowed === null) return sendProblem(reply, new Problem('no_such_path'));
    return sendProblem(reply.header('allow', allowed), new Problem('method_not_allowed'));
  });
}

const CODES: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
};

/** A problem never takes over the words of an error: the parser's hold a piece of the body. */
function problemFor(error: FastifyError | Problem, { onTrouble }: HttpOptions): Problem {
  if (error instanceof Problem) return error;
  if (error.validation)
    return error.validationContext === 'body'
      ? problemOf(error.validation as unknown as SchemaError[])
      : new Problem('invalid_request', 'The address must be without a query.');
  const known = CODES[error.code];
  if (known) return new Problem(known);
  if (error.statusCode === 400) return new Problem(isAboutBody(error) ? 'not_json' : 'bad_http');
  onTrouble?.(error);
  return new Problem('unexpected');
}

const isAboutBody = (error: FastifyError): boolean =>
  error instanceof SyntaxError || error.code?.startsWith('FST_ERR_CTP_') === true;

const RETRY_AFTER_SECONDS = '1';

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status } = problems[problem.code];
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="relevo"');
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
  // As bytes: to anything else the framework adds a charset, which this type does not have.
  return reply
    .code(status)
    .type(MEDIA_TYPE)
    .send(Buffer.from(JSON.stringify(problemBody(problem))));
}

const HTTP_FAULTS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too_slow',
};

/** What is no HTTP, or comes too slowly, never becomes a request: its answer is written to the socket. */
function answerBadHttp({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem = new Problem(HTTP_FAULTS[code ?? ''] ?? 'bad_http');
  const { status } = problems[problem.code];
  const body = JSON.stringify(problemBody(problem));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nCache-Control: no-store\r\n` +
      `Content-Type: ${MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
