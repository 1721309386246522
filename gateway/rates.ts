import { isIPv6 } from 'node:net';
import { Problem, type ProblemCode } from './problems.ts';
import type { Cell } from './routes.ts';
import { type Taken, TokenBuckets } from './token-bucket.ts';

const WINDOW_SECONDS = 1;

interface CellRates {
  readonly client: TokenBuckets;
  readonly tenant: TokenBuckets;
  policy: string;
}

/** Requests per second, counted in this process and by no clock that can be set. */
export class Rates {
  readonly #strangers: TokenBuckets;
  readonly #nowMs: () => number;
  /** By cell: two tenants' clients may have one name. */
  readonly #cells = new Map<string, CellRates>();

  constructor(strangerRequestsPerSecond: number, nowMs: () => number = () => performance.now()) {
    this.#strangers = new TokenBuckets(strangerRequestsPerSecond);
    this.#nowMs = nowMs;
  }

  /** New limits are those of the next request; what was asked in the last second still counts. */
  use(cells: readonly Cell[]): void {
    const here = new Set(cells.map(({ route }) => route.cell));
    for (const cell of this.#cells.keys()) if (!here.has(cell)) this.#cells.delete(cell);
    for (const { route } of cells) {
      const { clientRequestsPerSecond: client, tenantRequestsPerSecond: tenant } = route.limits;
      const rates = this.#cells.get(route.cell) ?? {
        client: new TokenBuckets(client),
        tenant: new TokenBuckets(tenant),
        policy: '',
      };
      rates.client.perSecond = client;
      rates.tenant.perSecond = tenant;
      rates.policy = `${policy('client', client)}, ${policy('tenant', tenant)}`;
      this.#cells.set(route.cell, rates);
    }
  }

  takeStranger(address: string, host: string): void {
    this.#take(this.#strangers, `${networkOf(address)} ${host}`, 'strangers_too_many', 'stranger');
  }

  /** The headers that tell a client what is left. A client over its own limit takes nothing from its tenant. */
  takeClient(cell: string, clientId: string): Record<string, string> {
    const rates = this.#cells.get(cell)!;
    const ofClient = this.#take(rates.client, clientId, 'client_rate', 'client');
    const ofTenant = this.#take(rates.tenant, cell, 'tenant_rate', 'tenant');
    return {
      'ratelimit-policy': rates.policy,
      ratelimit: `${left('client', ofClient)}, ${left('tenant', ofTenant)}`,
    };
  }

  #take(rate: TokenBuckets, key: string, code: ProblemCode, name: string): Taken {
    const taken = rate.take(key, this.#nowMs());
    if (taken.isAllowed) return taken;
    throw new Problem(code, {
      headers: {
        'retry-after': String(wholeSeconds(taken.waitMs)),
        'ratelimit-policy': policy(name, rate.perSecond),
        ratelimit: left(name, taken),
      },
    });
  }
}

const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000));

/** As in draft-ietf-httpapi-ratelimit-headers-10: `t` is when as many are left as ever. */
const policy = (name: string, quota: number): string => `"${name}";q=${quota};w=${WINDOW_SECONDS}`;
const left = (name: string, taken: Taken): string =>
  `"${name}";r=${taken.left};t=${wholeSeconds(taken.fullMs)}`;

/** Whoever has one address of IPv6 has all of its /64. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [before, after] = address.split('%')[0].split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const groups = [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
