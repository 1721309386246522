import type { Tx } from '#runtime/database/database.ts';

export const databaseNow = (tx: Tx) => tx.rows<{ now: Date }>`select clock_timestamp() as now`;
