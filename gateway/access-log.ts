/** What is told of a request: where it went and how it ended, and nothing of what was in it. */
export interface AccessEntry {
  /** When it came; ISO 8601. */
  readonly at: string;
  readonly requestId: string;
  readonly traceId: string | null;
  readonly cell: string | null;
  readonly clientId: string | null;
  /** Null where it could not be read as HTTP. */
  readonly method: string | null;
  /** The declared template, never the path that was sent. */
  readonly route: string | null;
  /** 0 where the client went before it was answered. */
  readonly status: number;
  /** Why it was refused, here or by the cell, or `client_gone` where it broke off. */
  readonly code: string | null;
  readonly ms: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Until the cell began to answer; null where it was not asked or did not. */
  readonly upstreamMs: number | null;
}
