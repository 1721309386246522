import { Refusal } from '#runtime/refusal.ts';
import { type Environment, ENVIRONMENTS } from './cell-name.ts';
import { isWithin } from './host-name.ts';
import type { TenantFile } from './tenant-file.ts';

/** The names that a tenant lays claim to: its domain with all below it, and hosts that may be elsewhere. */
export type Claims = Pick<TenantFile, 'tenant' | 'domain' | 'environments'>;

export const hostsOf = ({ environments }: Pick<TenantFile, 'environments'>): [Environment, string][] =>
  ENVIRONMENTS.flatMap((environment) => {
    const terms = environments[environment];
    return terms ? [[environment, terms.host] as [Environment, string]] : [];
  });

/** Why two tenants cannot be here at once, as seen by the first; null if they can. */
export function clash(mine: Claims, other: Claims): string | null {
  if (mine.tenant === other.tenant) return null;
  if (isWithin(mine.domain, other.domain))
    return mine.domain === other.domain
      ? `the domain ${mine.domain} belongs to tenant ${other.tenant}`
      : `the domain ${mine.domain} lies within ${other.domain}, the domain of tenant ${other.tenant}`;
  if (isWithin(other.domain, mine.domain))
    return `the domain ${mine.domain} would take in ${other.domain}, the domain of tenant ${other.tenant}`;
  for (const [environment, host] of hostsOf(mine)) {
    if (isWithin(host, other.domain))
      return `${host} lies within ${other.domain}, the domain of tenant ${other.tenant}`;
    const taken = hostsOf(other).find(([, theirs]) => theirs === host);
    if (taken) return `${host} (${environment}) is the host of ${other.tenant}/${taken[0]}`;
  }
  const within = hostsOf(other).find(([, host]) => isWithin(host, mine.domain));
  return within
    ? `the domain ${mine.domain} would take in ${within[1]}, the host of ${other.tenant}/${within[0]}`
    : null;
}

export function refuseTaken(mine: Claims, others: Iterable<Claims>): void {
  for (const other of others) {
    const why = clash(mine, other);
    if (why)
      throw new Refusal('domain_taken', `Tenant ${mine.tenant} cannot have these names: ${why}.`, {
        advice: `Choose other names, or change those of ${other.tenant} first: relevo tenant show ${other.tenant}`,
      });
  }
}
