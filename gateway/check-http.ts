import type { IncomingMessage } from 'node:http';
import { Problem } from './problems.ts';

/** Said twice, one of two readers could believe the other one. */
const ONCE = new Set([
  'host',
  'authorization',
  'content-length',
  'content-type',
  'transfer-encoding',
  'idempotency-key',
  'traceparent',
  'x-request-id',
  'expect',
]);

/** Path and query of RFC 3986, and nothing else: no other host, no fragment, nothing that a reader might repair. */
const TARGET =
  /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*(?:\?(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?$/;

/**
 * What Node's parser lets through and nobody behind it should have to judge. The parser itself refuses both lengths
 * at once, folded headers, and lines that end in anything but CR LF.
 */
export function checkHttp(
  { rawHeaders, headers, httpVersion, url = '' }: IncomingMessage,
  headersMax: number,
): void {
  if (httpVersion !== '1.1') throw new Problem('bad_http');
  if (rawHeaders.length / 2 > headersMax) throw new Problem('headers_too_large');
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at].toLowerCase();
    if (!ONCE.has(name)) continue;
    if (seen.has(name)) throw new Problem('bad_http');
    seen.add(name);
  }
  if (headers.host === undefined || headers.upgrade !== undefined) throw new Problem('bad_http');
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') throw new Problem('bad_http');
  if (!TARGET.test(url)) throw new Problem('bad_target');
}
