import { sql } from '#runtime/database/sql.ts';

/**
 * The account that stands opposite to everything messages move: one per currency, opened when first needed. It
 * tells how the cell stands with the card network.
 */
export const settlementAccountId = sql`md5('network settlement ' || currency)::uuid`;
