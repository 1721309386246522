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
}

export const DEFAULT_LIMITS: CellLimits = { clientRequestsPerSecond: 200, tenantRequestsPerSecond: 1_000 };
export const DEFAULT_SIZE: CellSize = { idleSeconds: 300, workers: 1 };

/** Names below `localhost` lead to this machine without any set-up. */
export const defaultDomain = (tenant: string): string => `${tenant}.localhost`;
export const defaultHost = (domain: string, environment: Environment): string => `${environment}.${domain}`;

const pathOf = (home: string, tenant: string) => join(home, 'cells', tenant, 'tenant.json');

/** Absent for a tenant that an earlier release has added. */
export const readTenantFile = (home: string, tenant: string): Promise<TenantFile | null> =>
  readJson(
    pathOf(home, tenant),
    () =>
      new Refusal('tenant_file_broken', `The file of tenant ${tenant} is not valid JSON.`, {
        advice: `Restore ${pathOf(home, tenant)} from your backup, or remove it and run: relevo tenant add ${tenant}`,
      }),
  );

export const writeTenantFile = (home: string, file: TenantFile): Promise<void> =>
  writeSecretJson(pathOf(home, file.tenant), file);
