import type { Database } from '#runtime/database/database.ts';
import { START } from './chain.ts';
import type { Head } from './service.ts';

export const readHead = (db: Database) => async (): Promise<Head> => {
  const [last] = await db.rows<{ seq: bigint; hash: Buffer }>`
    select seq, hash from audit.entries order by seq desc limit 1`;
  return last ? { seq: last.seq, hash: last.hash.toString('hex') } : START;
};
