import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { median, quantile, summarise, type Summary } from '../statistics.ts';
import { askWell } from './ask.ts';
import type { Before, Behind, GatewayLab } from './lab.ts';

/** Requests of one way before it is the next one's turn. */
const BLOCK = 50;
const WARM_UP_BLOCKS = 2;

export interface OneConnection {
  readonly behind: Behind;
  readonly ways: readonly {
    readonly before: Before;
    readonly p50Ms: number;
    readonly p99Ms: number;
    /** How much longer the middle of a block takes than that of the direct block beside it. */
    readonly addedMs: Summary | null;
  }[];
}

/**
 * One request at a time by one kept connection each, a few of each way in turn: what disturbs the machine for a while
 * disturbs all alike. The direct one takes the socket of the process, as gateway and nginx do.
 */
export async function oneConnection(
  lab: GatewayLab,
  behind: Behind,
  seconds: number,
): Promise<OneConnection> {
  const ways: Before[] = ['direct', ...(lab.nginx ? ['nginx' as const] : []), 'gateway'];
  const asked = new Map<Before, { agent: HttpAgent; blocks: number[][] }>();
  for (const way of ways)
    asked.set(way, {
      agent: new (way === 'direct' ? HttpAgent : HttpsAgent)({ keepAlive: true, maxSockets: 1 }),
      blocks: [],
    });
  const block = async (before: Before): Promise<number[]> => {
    const way = { ...(await lab.way(before, behind)), agent: asked.get(before)!.agent };
    const took: number[] = [];
    for (let i = 0; i < BLOCK; i++) {
      const since = performance.now();
      await askWell(way);
      took.push(performance.now() - since);
    }
    return took;
  };
  // A token is fetched from the cell before the host leads where it is to.
  await lab.headers('gateway', behind);
  lab.lead(behind);
  try {
    for (let i = 0; i < WARM_UP_BLOCKS; i++) for (const way of ways) await block(way);
    const until = performance.now() + seconds * 1_000;
    do for (const way of ways) asked.get(way)!.blocks.push(await block(way));
    while (performance.now() < until);
  } finally {
    for (const { agent } of asked.values()) agent.destroy();
  }
  const direct = asked.get('direct')!.blocks.map(median);
  return {
    behind,
    ways: ways.map((before) => {
      const { blocks } = asked.get(before)!;
      const all = blocks.flat();
      const added = blocks.map((each, i) => median(each) - direct[i]);
      return {
        before,
        p50Ms: median(all),
        p99Ms: quantile(all, 0.99),
        addedMs: before === 'direct' ? null : summarise(added),
      };
    }),
  };
}
