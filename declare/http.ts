/** A JSON Schema, as a plain value (typebox makes them, with their types). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * How an operation is reached from outside, through the gateway. An operation without it is reachable for the
 * services it names as callers and for nobody else.
 */
export interface PublicRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parameters in the way of `/v1/cards/:cardId`. */
  readonly path: string;
  /** What a client's token must hold: `cards:read`. */
  readonly scope: string;
  /** A few words, the headline of its documentation. */
  readonly title: string;
  readonly params?: JsonSchema;
  readonly query?: JsonSchema;
  readonly body?: JsonSchema;
  readonly reply: JsonSchema;
  /**
   * How a repeat is recognised: by the header Idempotency-Key, which must then be there, or by what the body says.
   * Absent where nothing changes.
   */
  readonly idempotency?: 'key' | 'content';
}
