/** What a request, a connection and a cell may take of the gateway. Sizes in bytes, times in milliseconds. */
export interface GatewayLimits {
  readonly connectionsMax: number;
  /** Of one address (of one /64 in IPv6), so that nobody can hold all connections. */
  readonly connectionsPerAddressMax: number;
  readonly headerBytesMax: number;
  readonly headersMax: number;
  readonly handshakeMsMax: number;
  /** For request line and headers. */
  readonly headersMsMax: number;
  readonly bodyBytesMax: number;
  /** For a whole body to come, from the end of the headers. */
  readonly bodyMsMax: number;
  /** For the whole of an answer to reach its client. */
  readonly answerMsMax: number;
  /** From the end of the request until the cell begins to answer. */
  readonly upstreamMsMax: number;
  /** For a sleeping cell to wake. */
  readonly reachMsMax: number;
  /** Connections to the processes of one cell. */
  readonly upstreamConnectionsMax: number;
  /** Requests of one cell under way at once. */
  readonly underWayMax: number;
  /** Requests without a token that is known already, of one address at one host. */
  readonly strangerRequestsPerSecond: number;
  /** Verified tokens that are remembered. */
  readonly tokensMax: number;
  readonly keepAliveMs: number;
}

export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  connectionsMax: 4_096,
  connectionsPerAddressMax: 512,
  headerBytesMax: 16_384,
  headersMax: 64,
  handshakeMsMax: 10_000,
  headersMsMax: 10_000,
  bodyBytesMax: 1_048_576,
  bodyMsMax: 30_000,
  answerMsMax: 120_000,
  upstreamMsMax: 30_000,
  reachMsMax: 5_000,
  upstreamConnectionsMax: 64,
  underWayMax: 1_024,
  strangerRequestsPerSecond: 50,
  tokensMax: 10_000,
  // Longer than load balancers keep theirs, so that they never send into a connection that is being closed.
  keepAliveMs: 75_000,
};
