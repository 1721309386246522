import type { Tx } from '#runtime/database/database.ts';

/** The oldest first. What another process is forgetting or working on is left to the next call. */
export const forgetRequests =
  (db: Tx) =>
  ({ limit }: { limit: number }): Promise<number> => db.run`
    delete from access.requests
     where request_code in (select request_code from access.requests
                             where begun_at < clock_timestamp() - interval '24 hours'
                               and (status is not null or leased_until <= clock_timestamp())
                             order by begun_at limit ${limit} for update skip locked)`;
