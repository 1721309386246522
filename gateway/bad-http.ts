import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Problem, PROBLEM_TYPE, problemBody, type ProblemCode } from './problems.ts';

const HTTP_FAULTS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too_slow',
  CONNECT: 'method_not_allowed',
};

/** What a fault of the parser is to a client. */
export const faultOf = (code: string | undefined): Problem =>
  new Problem(HTTP_FAULTS[code ?? ''] ?? 'bad_http', code === 'CONNECT' ? { headers: { allow: '' } } : {});

/** What is no HTTP, or comes too slowly, never becomes a request: its answer is written to the socket. */
export function answerBadHttp({ code }: { code?: string }, socket: Duplex): Problem | null {
  if (code === 'ECONNRESET' || code === 'EPIPE' || !socket.writable) {
    socket.destroy();
    return null;
  }
  const problem = faultOf(code);
  const body = JSON.stringify(problemBody(problem));
  const headers = [
    'Connection: close',
    'Cache-Control: no-store',
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(problem.headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${headers.join('\r\n')}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
  return problem;
}
