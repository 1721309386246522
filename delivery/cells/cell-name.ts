import { Refusal } from '#runtime/refusal.ts';

export const ENVIRONMENTS = ['demo', 'staging', 'production'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** One tenant in one environment. */
export interface CellName {
  readonly tenant: string;
  readonly environment: Environment;
}

const TENANT = /^[a-z][a-z0-9-]{0,22}[a-z0-9]$/;

export const cellText = ({ tenant, environment }: CellName): string => `${tenant}/${environment}`;

export const isTenant = (text: string): boolean => TENANT.test(text);

export function parseTenant(text: string): string {
  if (isTenant(text)) return text;
  throw new Refusal('bad_tenant_name', `"${text}" cannot name a tenant.`, {
    advice: 'Use 2 to 24 of a-z, 0-9 and "-", beginning with a letter and not ending with "-".',
  });
}

export function parseCellName(text: string): CellName {
  const [tenant, environment, ...rest] = text.split('/');
  const known = ENVIRONMENTS.find((name) => name === environment);
  if (!known || rest.length > 0)
    throw new Refusal('bad_cell_name', `"${text}" does not name a cell.`, {
      advice: `Write TENANT/ENVIRONMENT, for instance andina/production; environments are ${ENVIRONMENTS.join(', ')}.`,
    });
  return { tenant: parseTenant(tenant), environment: known };
}

/** Names in PostgreSQL: databases and roles belong to the whole server, so they carry the cell's name. */
export const databaseName = ({ tenant, environment }: CellName): string => `relevo_${tenant}_${environment}`;
export const roleName = (cell: CellName, role: string): string => `${databaseName(cell)}_${role}`;
