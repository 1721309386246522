import type { IncomingMessage } from 'node:http';

/**
 * Bodies up to this size are here before the cell is asked, so that a slow sender holds none of its connections.
 * Larger ones are passed on as they come.
 */
export const WHOLE_BYTES_MAX = 65_536;

const isChunked = ({ headers }: IncomingMessage): boolean => headers['transfer-encoding'] !== undefined;

/** What the request says; the parser holds it to that. */
const lengthOf = ({ headers }: IncomingMessage): number => Number(headers['content-length'] ?? 0);

export const hasBody = (request: IncomingMessage): boolean => isChunked(request) || lengthOf(request) > 0;

export const isSmall = (request: IncomingMessage): boolean =>
  !isChunked(request) && lengthOf(request) <= WHOLE_BYTES_MAX;

export const isLongerThan = (request: IncomingMessage, bytes: number): boolean => lengthOf(request) > bytes;
