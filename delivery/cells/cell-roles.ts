import { services } from '#services/all.ts';

/**
 * The database roles of a cell: one per service for its own schema, `keys` for the administration of keys,
 * `reporting` to read the masked views.
 */
export const CELL_ROLES: readonly string[] = [...services.map(({ name }) => name), 'keys', 'reporting'];

/** Services whose processes hold the vault: the PCI zone, and nobody else, reads wrapped data keys. */
export const VAULT_ROLES: readonly string[] = services
  .filter(({ data }) => data === 'cardholder-data')
  .map(({ name }) => name);
