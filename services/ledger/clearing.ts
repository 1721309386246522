import { sql } from '#runtime/database/sql.ts';

/**
 * The account that stands opposite to every balance a portfolio brings: one per currency, opened when first
 * needed. What it owes is what the earlier processor has still to settle.
 */
export const clearingAccountId = sql`md5('migration clearing ' || currency)::uuid`;
