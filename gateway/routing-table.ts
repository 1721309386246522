import type { JWK } from 'jose';
import type { RoutedOperation } from '#declare/http.ts';

export type { RoutedOperation };

/** A process set of a cell that takes requests. There may be two: the release that serves, and the next one. */
export interface Upstream {
  readonly cell: string;
  /** Which of the cell's two sets of processes. */
  readonly colour: 'blue' | 'green';
}

/** One cell as the gateway knows it. Nothing in it is secret. */
export interface CellRoute {
  /** `quipu/staging`. */
  readonly cell: string;
  readonly tenant: string;
  /** Lower case, without a port. */
  readonly host: string;
  /** `iss` and `aud` of the cell's tokens. */
  readonly issuer: string;
  /** Public halves of the keys that sign the cell's tokens. */
  readonly keys: readonly JWK[];
  readonly limits: {
    readonly clientRequestsPerSecond: number;
    readonly tenantRequestsPerSecond: number;
  };
  /** Where requests go now. */
  readonly live: Upstream;
}

/** All that the gateway routes by; replaced as a whole when something changes. */
export interface RoutingTable {
  readonly cells: readonly CellRoute[];
  /** Of every service, in the order of the declarations; the same for all cells of a release. */
  readonly operations: readonly RoutedOperation[];
}
