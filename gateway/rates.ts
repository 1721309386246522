import { isIPv6 } from 'node:net';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Problem, type ProblemCode } from './problems.ts';
import type { Cell } from './routes.ts';

const WINDOW_SECONDS = 1;

interface CellRates {
  readonly client: RateLimiterMemory;
  readonly tenant: RateLimiterMemory;
}

const limiter = (points: number) =>
  new RateLimiterMemory({ points, duration: WINDOW_SECONDS, keyPrefix: '' });

/**
 * Requests per second, counted in this process. What is counted is forgotten after a second, so a counter lives no
 * longer than the requests that made it.
 */
export class Rates {
  readonly #strangers: RateLimiterMemory;
  /** By cell: two tenants' clients may have one name. */
  readonly #cells = new Map<string, CellRates>();

  constructor(strangerRequestsPerSecond: number) {
    this.#strangers = limiter(strangerRequestsPerSecond);
  }

  /** New limits are those of the next request; what was asked in this second still counts. */
  use(cells: readonly Cell[]): void {
    const here = new Set(cells.map(({ route }) => route.cell));
    for (const cell of this.#cells.keys()) if (!here.has(cell)) this.#cells.delete(cell);
    for (const { route } of cells) {
      const { clientRequestsPerSecond: client, tenantRequestsPerSecond: tenant } = route.limits;
      const rates = this.#cells.get(route.cell);
      if (rates === undefined)
        this.#cells.set(route.cell, { client: limiter(client), tenant: limiter(tenant) });
      else {
        rates.client.points = client;
        rates.tenant.points = tenant;
      }
    }
  }

  async takeStranger(address: string, host: string): Promise<void> {
    await take(this.#strangers, `${networkOf(address)} ${host}`, 'strangers_too_many', 'stranger');
  }

  /** The headers that tell a client what is left. A client over its own limit takes nothing from its tenant. */
  async takeClient(cell: string, clientId: string): Promise<Record<string, string>> {
    const { client, tenant } = this.#cells.get(cell)!;
    const ofClient = await take(client, clientId, 'client_rate', 'client');
    const ofTenant = await take(tenant, cell, 'tenant_rate', 'tenant');
    return {
      'ratelimit-policy': `${policy('client', client.points)}, ${policy('tenant', tenant.points)}`,
      ratelimit: `${left('client', ofClient)}, ${left('tenant', ofTenant)}`,
    };
  }
}

/** As in draft-ietf-httpapi-ratelimit-headers-10. */
const policy = (name: string, quota: number): string => `"${name}";q=${quota};w=${WINDOW_SECONDS}`;
const left = (name: string, { remainingPoints, msBeforeNext }: RateLimiterRes): string =>
  `"${name}";r=${remainingPoints};t=${Math.ceil(msBeforeNext / 1_000)}`;

async function take(
  rate: RateLimiterMemory,
  key: string,
  code: ProblemCode,
  name: string,
): Promise<RateLimiterRes> {
  try {
    return await rate.consume(key);
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    throw new Problem(code, {
      headers: {
        'retry-after': String(Math.max(1, Math.ceil(error.msBeforeNext / 1_000))),
        'ratelimit-policy': policy(name, rate.points),
        ratelimit: left(name, error),
      },
    });
  }
}

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
