import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CellName, ENVIRONMENTS, type Environment, isTenant } from './cell-name.ts';
import { defaultTenant, readTenantFile, type TenantFile, tenantFilePath } from './tenant-file.ts';

/** A tenant as its folder shows it. */
export interface KnownTenant {
  /** What it is; by default for a tenant of an earlier release. */
  readonly terms: TenantFile;
  /** Whether a file says so. */
  readonly hasFile: boolean;
  /** Environments whose cell file is here, whole or not. */
  readonly cells: readonly Environment[];
}

interface Remembered {
  readonly stamp: string;
  readonly file: TenantFile | null;
}

/** Tenant files as they were read last, by path: they are read again when they have changed. */
const remembered = new Map<string, Remembered>();

/** Files are replaced and never written in place, so one that changes has another number, whatever its clock says. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    throw error;
  }
}

async function readRemembering(home: string, tenant: string): Promise<TenantFile | null> {
  const path = tenantFilePath(home, tenant);
  const stamp = await stampOf(path);
  const known = remembered.get(path);
  if (known?.stamp === stamp) return known.file;
  const file = stamp === 'none' ? null : await readTenantFile(home, tenant);
  remembered.set(path, { stamp, file });
  return file;
}

/** All tenants of a home, in the order of their names, with those that are half added. */
export async function readTenants(home: string): Promise<KnownTenant[]> {
  const folder = join(home, 'cells');
  const names = (await entriesOf(folder)).filter(isTenant).sort();
  forgetOthers(home, names);
  const tenants = await Promise.all(
    names.map(async (tenant): Promise<KnownTenant | null> => {
      const [file, entries] = await Promise.all([
        readRemembering(home, tenant),
        entriesOf(join(folder, tenant)),
      ]);
      const cells = ENVIRONMENTS.filter((environment) => entries.includes(`${environment}.json`));
      if (!file && cells.length === 0) return null;
      return { terms: file ?? defaultTenant(tenant, cells), hasFile: file !== null, cells };
    }),
  );
  return tenants.filter((tenant) => tenant !== null);
}

/**
 * All tenants of a home with the environments that are in service: what the gateway routes by. It is meant to be
 * asked about once a second; a file that has not changed is not read again.
 */
export async function readPlatform(home: string): Promise<TenantFile[]> {
  return (await readTenants(home)).map(({ terms, cells }) => {
    const ready = Object.entries(terms.environments).filter(
      ([name]) => cells.includes(name as Environment) && !(terms.making ?? []).includes(name as Environment),
    );
    return { ...terms, environments: Object.fromEntries(ready) };
  });
}

/** The cells in service. One that is still being made is none yet. */
export const cellsInService = async (home: string): Promise<CellName[]> =>
  (await readPlatform(home)).flatMap(({ tenant, environments }) =>
    ENVIRONMENTS.filter((environment) => environments[environment] !== undefined).map((environment) => ({
      tenant,
      environment,
    })),
  );

/** Under which name the gateway reaches a cell; null where it is not in service. */
export async function hostOf(home: string, { tenant, environment }: CellName): Promise<string | null> {
  const found = (await readPlatform(home)).find((each) => each.tenant === tenant);
  return found?.environments[environment]?.host ?? null;
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

function forgetOthers(home: string, tenants: readonly string[]): void {
  const here = new Set(tenants.map((tenant) => tenantFilePath(home, tenant)));
  for (const path of remembered.keys())
    if (path.startsWith(join(home, 'cells')) && !here.has(path)) remembered.delete(path);
}
