import type { JWK } from 'jose';
import type { AccessEntry } from './access-log.ts';
import type { Pair } from './pair-file.ts';
import type { GatewayLimits } from './limits.ts';
import type { RoutingTable, Upstream } from './routing-table.ts';

/** A refusal on its way to another process. */
export interface ToldRefusal {
  readonly code: string;
  readonly message: string;
}

export interface StartTerms {
  readonly host: string;
  readonly port: number;
  readonly plainPort: number | null;
  readonly publicPort?: number;
  readonly table: RoutingTable;
  /** The private half (Ed25519) that signs who calls; it is told here and nowhere else. */
  readonly identityKey: JWK;
  readonly limits?: Partial<GatewayLimits>;
}

/** What the supervisor tells its gateway. `start` comes first and once. */
export type ToGateway =
  | ({ readonly kind: 'start' } & StartTerms)
  | { readonly kind: 'table'; readonly table: RoutingTable }
  /** Asked for by `wanted`, or unasked when it has been renewed. */
  | ({ readonly kind: 'certificate'; readonly host: string } & Pair)
  | ({ readonly kind: 'no_certificate'; readonly host: string } & ToldRefusal)
  | { readonly kind: 'reached'; readonly id: number; readonly socketPath: string }
  | ({ readonly kind: 'refused'; readonly id: number } & ToldRefusal)
  /** These processes end soon: the next request has them reached anew. They end when `forgotten` has come. */
  | { readonly kind: 'forget'; readonly id: number; readonly upstream: Upstream }
  /** Of ACME; null takes it back. */
  | { readonly kind: 'challenge'; readonly token: string; readonly answer: string | null }
  | { readonly kind: 'close'; readonly graceMs: number };

/** What the gateway tells its supervisor. */
export type FromGateway =
  /** The code is loaded; `start` may come. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'listening'; readonly port: number; readonly plainPort: number | null }
  /** It could not start, and ends. */
  | ({ readonly kind: 'failed' } & ToldRefusal)
  | { readonly kind: 'reach'; readonly id: number; readonly upstream: Upstream }
  /** Nothing leads any more to the processes that it was told to forget. */
  | { readonly kind: 'forgotten'; readonly id: number }
  | { readonly kind: 'wanted'; readonly host: string }
  | ({ readonly kind: 'table_refused' } & ToldRefusal)
  | { readonly kind: 'table_used' }
  /** `lost` counts entries that found no room while the supervisor did not read. */
  | { readonly kind: 'log'; readonly entries: readonly AccessEntry[]; readonly lost: number }
  | ({ readonly kind: 'trouble' } & ToldRefusal);
