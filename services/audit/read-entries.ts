import type { Database } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import type { Entry, PageOfTrail } from './service.ts';

const BEFORE_ALL = -(2n ** 63n);
const AFTER_ALL = 2n ** 63n - 1n;

export const readEntries =
  (db: Database) =>
  ({ order, beyond, limit, action }: PageOfTrail): Promise<Entry[]> => {
    const rest =
      order === 'oldest_first' ? sql`seq > ${beyond ?? BEFORE_ALL}` : sql`seq < ${beyond ?? AFTER_ALL}`;
    const sorted = order === 'oldest_first' ? sql`order by seq` : sql`order by seq desc`;
    return db.rows<Entry>`
      select seq, at, actor, action, subject, details
        from audit.entries
       where ${rest}
         and (${action}::text is null or action = ${action} or starts_with(action, ${action}::text || '.'))
       ${sorted} limit ${limit}`;
  };
