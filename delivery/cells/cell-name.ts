import { Refusal } from '#runtime/refusal.ts';
import { mayHoldCardNumber } from '#services/audit/card-number.ts';

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

/** What to do about a name that no tenant can have; null for one that it can. */
export function tenantProblem(text: string): string | null {
  if (!isTenant(text))
    return 'Use 2 to 24 of a-z, 0-9 and "-", beginning with a letter and not ending with "-".';
  // Names stand in the audit trail, which takes nothing that may be a card number.
  if (mayHoldCardNumber(text)) return 'Choose one with fewer digits: its number may be that of a card.';
  return null;
}

export function parseTenant(text: string): string {
  const advice = tenantProblem(text);
  if (!advice) return text;
  throw new Refusal('bad_tenant_name', `"${text}" cannot name a tenant.`, { advice });
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
