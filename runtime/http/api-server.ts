import { type IncomingHttpHeaders, type RequestListener, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { ErrorTable } from '#declare/errors.ts';
import { problemOfError, type PublicRoute } from '#declare/http.ts';
import { Refusal } from '#runtime/refusal.ts';
import { problemOf, type SchemaError } from './field-faults.ts';
import {
  type CommonProblem,
  commonProblem,
  MEDIA_TYPE,
  Problem,
  PROBLEM_HEADER,
  problemBody,
} from './problems.ts';

/** A request that its schemas have passed. */
export interface ApiRequest<Admission> {
  /** What its admission found out about the sender. */
  readonly admission: Admission;
  readonly headers: IncomingHttpHeaders;
  /** Parameters, query and body together. */
  readonly input: Readonly<Record<string, unknown>>;
}

/** A request's way to its operation. */
export interface ApiRoute<Admission> {
  readonly http: PublicRoute;
  /** What the operation may refuse; an error without a status is none of a client's business. */
  readonly errors?: ErrorTable;
  readonly answer: (request: ApiRequest<Admission>) => Promise<unknown>;
}

export interface ApiOptions<Admission> {
  readonly routes: readonly ApiRoute<Admission>[];
  /** Says who sends, or throws: before the body is read, because a stranger's card numbers are none of our business. */
  readonly admit: (headers: IncomingHttpHeaders, http: PublicRoute) => Admission | Promise<Admission>;
  readonly isReady: () => boolean;
  /** What further paths anybody may read, as JSON. */
  readonly documents?: Readonly<Record<string, object>>;
  /** What answers by itself, under paths that it knows: it reads its own bodies. */
  readonly aside?: { readonly isFor: (path: string) => boolean; readonly listener: RequestListener };
  /** Beside the formats of JSON Schema: what the schemas ask by name. */
  readonly formats?: Readonly<Record<string, (text: string) => boolean>>;
  /** What admission may refuse, likewise. */
  readonly errors?: ErrorTable;
  /** A defect; what a request held is not in it. */
  readonly onTrouble?: (error: unknown) => void;
}

export interface Listening {
  /** A TCP address (port 0 takes any that is free), or the path of a Unix socket. */
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Further connections are ended as soon as they are there. */
  readonly connectionsMax?: number;
}

export interface ApiDoor {
  /** 0 on a Unix socket. */
  readonly port: number;
  readonly activity: Readonly<Activity>;
  /** Takes nothing more; answers under way still go out, for so long. */
  close(graceMs?: number): Promise<void>;
}

/** How much is asked for. */
export interface Activity {
  answered: number;
  underWay: number;
  /** When the last request came or was answered, by `performance.now()`. */
  lastMs: number;
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
const GRACE_MS = 5_000;

/** Answers declared operations as JSON over HTTP. */
export async function serveApi<Admission>(
  options: ApiOptions<Admission>,
  { at, connectionsMax = CONNECTIONS_MAX }: Listening,
): Promise<ApiDoor> {
  const app = buildApi(options);
  const { server } = app;
  server.maxConnections = connectionsMax;
  server.maxHeadersCount = HEADERS_MAX;
  const activity = watch(server);
  await app.listen(at);
  const address = server.address() as AddressInfo | string | null;
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    activity,
    async close(graceMs = GRACE_MS) {
      const late = setTimeout(() => server.closeAllConnections(), graceMs);
      await app.close().finally(() => clearTimeout(late));
    },
  };
}

function watch(server: FastifyInstance['server']): Activity {
  const activity = { answered: 0, underWay: 0, lastMs: performance.now() };
  server.on('request', (_request, response) => {
    activity.underWay++;
    activity.lastMs = performance.now();
    response.once('close', () => {
      activity.underWay--;
      activity.answered++;
      activity.lastMs = performance.now();
    });
  });
  return activity;
}

/** The server without a socket; tests send it requests directly. */
export function buildApi<Admission>(options: ApiOptions<Admission>): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: RECEIVE_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What comes while the process ends is still answered: what stands behind is closed after its doors.
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
        formats: { ...options.formats },
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
  app.decorateRequest('admission', null);
  setAside(app, options);
  for (const route of options.routes) addRoute(app, route, options);
  addPlainPaths(app, options);
  refuseAllElse(app, options);
  return app;
}

/** Before bodies are looked at. */
function setAside<Admission>(app: FastifyInstance, { aside }: ApiOptions<Admission>): void {
  if (!aside) return;
  app.addHook('onRequest', (request, reply, done) => {
    const [path] = request.url.split('?', 1);
    if (!aside.isFor(path)) return done();
    reply.hijack();
    aside.listener(request.raw, reply.raw);
  });
}

function takeJsonAlone(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  );
}

/** Nothing is asked in the address where nothing is declared: a proxy would log it. */
const NOTHING = { type: 'object', properties: {}, additionalProperties: false } as const;

function addRoute<Admission>(
  app: FastifyInstance,
  { http, answer, errors = {} }: ApiRoute<Admission>,
  { admit }: ApiOptions<Admission>,
): void {
  const { method, path: url, params, query = NOTHING, body, reply } = http;
  app.route({
    method,
    url,
    schema: {
      querystring: query,
      ...(params && { params }),
      ...(body && { body }),
      response: { 200: reply },
    },
    onRequest: async (request) => {
      request.setDecorator('admission', await admit(request.headers, http));
    },
    handler: (request) =>
      answer({
        admission: request.getDecorator<Admission>('admission'),
        headers: request.headers,
        input: Object.assign({}, request.params, request.query, request.body),
      }).catch((error: unknown) => {
        throw error instanceof Refusal ? (problemOfRefusal(error, errors) ?? error) : error;
      }),
  });
}

function addPlainPaths<Admission>(app: FastifyInstance, { isReady, documents }: ApiOptions<Admission>): void {
  app.get('/healthz', (_request, reply) => reply.send({ status: 'alive' }));
  app.get('/readyz', (_request, reply) =>
    isReady() ? reply.send({ status: 'ready' }) : sendProblem(reply, commonProblem('not_ready')),
  );
  for (const [path, document] of Object.entries(documents ?? {})) {
    const text = JSON.stringify(document);
    app.get(path, (_request, reply) => reply.type('application/json').send(text));
  }
}

function refuseAllElse<Admission>(app: FastifyInstance, { documents, routes }: ApiOptions<Admission>): void {
  const plain = new Set(['/healthz', '/readyz', ...Object.keys(documents ?? {})]);
  app.setNotFoundHandler((request, reply) => {
    const [path] = request.url.split('?', 1);
    const allowed = plain.has(path) ? 'GET, HEAD' : methodsOf(routes, path);
    if (allowed === '') return sendProblem(reply, commonProblem('no_such_path'));
    return sendProblem(reply.header('allow', allowed), commonProblem('method_not_allowed'));
  });
}

/** By which methods a path is known. */
const methodsOf = (routes: readonly { readonly http: PublicRoute }[], path: string): string =>
  routes
    .filter(({ http }) => new RegExp(`^${http.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path))
    .flatMap(({ http }) => (http.method === 'GET' ? ['GET', 'HEAD'] : [http.method]))
    .join(', ');

const CODES: Readonly<Record<string, CommonProblem>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
};

/** A problem never takes over the words of an error: the parser's hold a piece of the body. */
function problemFor<Admission>(
  error: FastifyError | Problem | Refusal,
  { errors = {}, onTrouble }: ApiOptions<Admission>,
): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Refusal) {
    const refused = problemOfRefusal(error, errors);
    if (refused) return refused;
    onTrouble?.(error);
    return commonProblem('unexpected');
  }
  if (error.validation) return problemOfValidation(error);
  const known = CODES[error.code];
  if (known) return commonProblem(known);
  if (error.statusCode === 400) return commonProblem(isAboutBody(error) ? 'not_json' : 'bad_http');
  onTrouble?.(error);
  return commonProblem('unexpected');
}

function problemOfValidation({ validation, validationContext }: FastifyError): Problem {
  const errors = validation as unknown as SchemaError[];
  const isAboutNothing = validationContext === 'querystring' && errors[0].parentSchema === NOTHING;
  return isAboutNothing
    ? commonProblem('invalid_request', 'The address must be without a query.')
    : problemOf(errors);
}

function problemOfRefusal({ code, message, advice }: Refusal, errors: ErrorTable): Problem | null {
  const problem = Object.hasOwn(errors, code) ? problemOfError(errors[code]) : null;
  return problem && new Problem(code, problem, advice === undefined ? message : `${message} ${advice}`);
}

const isAboutBody = (error: FastifyError): boolean =>
  error instanceof SyntaxError || error.code?.startsWith('FST_ERR_CTP_') === true;

const RETRY_AFTER_SECONDS = '1';

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status } = problem.declaration;
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="relevo"');
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
  // As bytes: to anything else the framework adds a charset, which this type does not have.
  return reply
    .code(status)
    .header(PROBLEM_HEADER, problem.code)
    .type(MEDIA_TYPE)
    .send(Buffer.from(JSON.stringify(problemBody(problem))));
}

const HTTP_FAULTS: Readonly<Record<string, CommonProblem>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too_slow',
};

/** What is no HTTP, or comes too slowly, never becomes a request: its answer is written to the socket. */
function answerBadHttp({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem = commonProblem(HTTP_FAULTS[code ?? ''] ?? 'bad_http');
  const { status } = problem.declaration;
  const body = JSON.stringify(problemBody(problem));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nCache-Control: no-store\r\n` +
      `Content-Type: ${MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
