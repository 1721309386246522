import { randomUUID } from 'node:crypto';

export interface TraceContext {
  readonly traceId: string;
  /** For the cell: of the same trace, with the gateway as the parent. */
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** A list of members, as in W3C Trace Context; what is longer may be dropped. */
const TRACESTATE =
  /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}(?:[ \t]*,[ \t]*[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}){0,31}$/;
const TRACESTATE_CHARACTERS_MAX = 512;
const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** The trace that a client has begun, where what it says is valid; else a new one, which nobody records yet. */
export function traceContext(traceparent: string | undefined, tracestate: string | undefined): TraceContext {
  const [, version, traceId, parentId, flags, more] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  const isValid =
    version !== undefined &&
    version !== 'ff' &&
    (version !== '00' || more === undefined) &&
    !/^0+$/.test(traceId) &&
    !/^0+$/.test(parentId);
  if (!isValid) return context(randomHex(), '00', undefined);
  // Of a later version only the sampled flag is known.
  const known = (Number.parseInt(flags, 16) & 1).toString(16).padStart(2, '0');
  return context(traceId, version === '00' ? flags : known, goodState(tracestate));
}

/** Node keeps randomness for these at hand, and asks the system for it in large pieces. */
const randomHex = (): string => randomUUID().replaceAll('-', '');

const context = (traceId: string, flags: string, tracestate: string | undefined): TraceContext => ({
  traceId,
  traceparent: `00-${traceId}-${randomHex().slice(0, 16)}-${flags}`,
  tracestate,
});

const goodState = (state: string | undefined): string | undefined =>
  state !== undefined && state.length <= TRACESTATE_CHARACTERS_MAX && TRACESTATE.test(state)
    ? state
    : undefined;

/** A client's own, so that it finds its request again, or a new one. */
export const requestIdOf = (header: string | undefined): string =>
  header !== undefined && REQUEST_ID.test(header) ? header : randomUUID();
