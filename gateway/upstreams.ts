import { Pool } from 'undici';
import { Problem } from './problems.ts';
import type { GatewayLimits } from './limits.ts';
import type { Upstream } from './routing-table.ts';

export type Reach = (upstream: Upstream) => Promise<{ socketPath: string }>;

const UPSTREAM_HEADER_BYTES_MAX = 16_384;
const IDLE_MS = 30_000;
const CONNECT_MS_MAX = 2_000;

interface Entry {
  readonly pool: Promise<Pool>;
  opened: Pool | null;
}

/**
 * The processes of cells that requests go to. One is
 *
 *   unknown   nothing is known of it
 *   asked     the first request has it woken; others wait with it
 *   reached   a pool of connections leads to its socket
 *   retired   it is not live any more, or was told to be gone: requests under way end on it, none begins
 *
 * A retired one is unknown again for the next request.
 */
export class Upstreams {
  readonly #reach: Reach;
  readonly #limits: GatewayLimits;
  readonly #pools = new Map<string, Entry>();
  /** Pools that are being closed, with whose they are. */
  readonly #retiring = new Map<Promise<void>, string>();

  constructor(reach: Reach, limits: GatewayLimits) {
    this.#reach = reach;
    this.#limits = limits;
  }

  /** A pool that is not closed, unless it is retired while somebody waits: `closed` tells. */
  pool(upstream: Upstream): Promise<Pool> {
    const key = keyOf(upstream);
    const known = this.#pools.get(key);
    if (known !== undefined) return known.pool;
    const entry: Entry = { pool: this.#open(upstream), opened: null };
    this.#pools.set(key, entry);
    entry.pool.then(
      (pool) => {
        entry.opened = pool;
      },
      () => {
        if (this.#pools.get(key) === entry) this.#pools.delete(key);
      },
    );
    return entry.pool;
  }

  /**
   * Whoever asks for it next has it reached anew. Given a pool, only if it is still that one. Resolves when no connection
   * leads to what was reached so far.
   */
  async retire(upstream: Upstream, only?: Pool): Promise<void> {
    const key = keyOf(upstream);
    this.#retire(key, only);
    await Promise.all([...this.#retiring].filter(([, of]) => of === key).map(([ending]) => ending));
  }

  keepOnly(upstreams: Iterable<Upstream>): void {
    const live = new Set([...upstreams].map(keyOf));
    for (const key of this.#pools.keys()) if (!live.has(key)) this.#retire(key);
  }

  #retire(key: string, only?: Pool): void {
    const entry = this.#pools.get(key);
    if (entry === undefined || (only !== undefined && entry.opened !== only)) return;
    this.#pools.delete(key);
    const ending = entry.pool
      .then((pool) => pool.close())
      .catch(() => undefined)
      .finally(() => this.#retiring.delete(ending));
    this.#retiring.set(ending, key);
  }

  /** Resolves when the last request on any of them is over. */
  async close(): Promise<void> {
    this.keepOnly([]);
    await Promise.all(this.#retiring.keys());
  }

  async #open(upstream: Upstream): Promise<Pool> {
    const { socketPath } = await this.#inTime(this.#reach(upstream));
    return new Pool('http://cell', {
      connections: this.#limits.upstreamConnectionsMax,
      pipelining: 1,
      maxHeaderSize: UPSTREAM_HEADER_BYTES_MAX,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      // Requests have deadlines of their own, which count the time in the queue too.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { socketPath, timeout: CONNECT_MS_MAX },
    });
  }

  async #inTime<T>(reached: Promise<T>): Promise<T> {
    let late: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Problem('cell_unavailable')), this.#limits.reachMsMax);
    });
    return Promise.race([reached, tooLate]).finally(() => clearTimeout(late));
  }
}

const keyOf = ({ cell, colour }: Upstream): string => `${cell} ${colour}`;
