import { askWell } from './ask.ts';
import type { GatewayLab } from './lab.ts';
import { spentBy, type Spent } from './spent.ts';

/** Connections being made at once. */
const AT_ONCE = 8;

export interface Handshakes {
  readonly perSecond: number;
  /** Processor time of the server for one connection with its one request. */
  readonly cpuMs: number | null;
  readonly spent: Spent;
}

/**
 * A new connection for each request: TLS 1.3 with X25519 and no ticket of an earlier one. The client is this process, on
 * the same cores, and takes more of them than the server: compare what the server takes.
 */
export async function handshakes(
  lab: GatewayLab,
  before: 'gateway' | 'nginx',
  seconds: number,
): Promise<Handshakes> {
  await lab.headers(before, 'trivial');
  lab.lead('trivial');
  const way = { ...(await lab.way(before, 'trivial')), agent: false as const };
  await askWell(way);
  let done = 0;
  const since = performance.now();
  const until = since + seconds * 1_000;
  const { spent } = await spentBy(lab.pidOf(before), () =>
    Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (; performance.now() < until; done++) await askWell(way);
      }),
    ),
  );
  return {
    perSecond: done / ((performance.now() - since) / 1_000),
    cpuMs: spent.cpuSeconds === null ? null : (spent.cpuSeconds * 1_000) / done,
    spent,
  };
}
