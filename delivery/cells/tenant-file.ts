import { join } from 'node:path';
import { Refusal } from '#runtime/refusal.ts';
import type { Environment } from './cell-name.ts';
import { readJson, writeSecretJson } from './secret-file.ts';

export const TENANT_KINDS = ['issuer', 'lender'] as const;
export type TenantKind = (typeof TENANT_KINDS)[number];

/** What one client, and all clients of a cell together, may ask of the gateway. */
export interface CellLimits {
  readonly clientRequestsPerSecond: number;
  readonly tenantRequestsPerSecond: number;
}

/** How large a cell may get on a machine. */
export interface CellSize {
  /** Seconds without a request after which its processes are put to sleep; 0 keeps them awake. */
  readonly idleSeconds: number;
  readonly workers: number;
}

export interface EnvironmentTerms {
  /** The name under which the gateway reaches the cell; lower case, without a port. */
  readonly host: string;
  readonly limits: CellLimits;
  readonly size: CellSize;
}

/** What everybody may know of a tenant: no secret is in it. One file per tenant, beside its cells' files. */
export interface TenantFile {
  readonly format: 1;
  readonly tenant: string;
  readonly kind: TenantKind;
  readonly domain: string;
  readonly environments: Readonly<Partial<Record<Environment, EnvironmentTerms>>>;
  /** Cells that are being made, and not in service: whoever made them was cut short, or is at it. */
  readonly making?: readonly Environment[];
  /** How often the terms were changed since the tenant was added. */
  readonly revision?: number;
  /** When the tenant was added; not known of one that an earlier release added. */
  readonly addedAt?: string;
}

export const DEFAULT_LIMITS: CellLimits = { clientRequestsPerSecond: 200, tenantRequestsPerSecond: 1_000 };
export const DEFAULT_SIZE: CellSize = { idleSeconds: 300, workers: 2 };

/** Names below `localhost` lead to this machine without any set-up. */
export const defaultDomain = (tenant: string): string => `${tenant}.localhost`;
export const defaultHost = (domain: string, environment: Environment): string => `${environment}.${domain}`;

export const tenantFilePath = (home: string, tenant: string): string =>
  join(home, 'cells', tenant, 'tenant.json');

export const defaultTerms = (domain: string, environment: Environment): EnvironmentTerms => ({
  host: defaultHost(domain, environment),
  limits: DEFAULT_LIMITS,
  size: DEFAULT_SIZE,
});

/** What a tenant is that nobody has said more of: each environment below the domain, with the default terms. */
export const defaultTenant = (
  tenant: string,
  environments: readonly Environment[],
  { kind = 'issuer', domain = defaultDomain(tenant) }: { kind?: TenantKind; domain?: string } = {},
): TenantFile => ({
  format: 1,
  tenant,
  kind,
  domain,
  environments: Object.fromEntries(
    environments.map((environment) => [environment, defaultTerms(domain, environment)]),
  ),
});

/** Absent for a tenant that an earlier release has added. */
export const readTenantFile = (home: string, tenant: string): Promise<TenantFile | null> =>
  readJson(
    tenantFilePath(home, tenant),
    () =>
      new Refusal('tenant_file_broken', `The file of tenant ${tenant} is not valid JSON.`, {
        advice: `Restore ${tenantFilePath(home, tenant)} from your backup, or remove it and run: relevo tenant add ${tenant}`,
      }),
  );

export const writeTenantFile = (home: string, file: TenantFile): Promise<void> =>
  writeSecretJson(tenantFilePath(home, file.tenant), file);
