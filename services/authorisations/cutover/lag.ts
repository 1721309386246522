import type { Tx } from '#runtime/database/database.ts';

/** Messages that wait for something, and for how long the oldest of them has. */
export interface Waiting {
  readonly messages: number;
  /** 0 when none waits. */
  readonly oldestMs: number;
}

/** Advices for the earlier processor that it has not acknowledged yet. */
export const advicesDue = (tx: Tx, prefix: string): Promise<Waiting> =>
  one(tx.rows<Waiting>`
    select count(*)::int4 as messages,
           coalesce(extract(epoch from now() - min(received_at)) * 1000, 0)::float8 as "oldestMs"
      from authorisations.messages where advice_due_at is not null and prefix = ${prefix}`);

/** Messages that the earlier processor was asked about and whose answer is not entered yet. */
export const relaying = (tx: Tx, prefix: string): Promise<Waiting> =>
  one(tx.rows<Waiting>`
    select count(*)::int4 as messages,
           coalesce(extract(epoch from now() - min(received_at)) * 1000, 0)::float8 as "oldestMs"
      from authorisations.messages where state = 'relaying' and prefix = ${prefix}`);

/** Approvals of the earlier processor whose card is not here, so that they are entered nowhere. */
export const unfollowed = (tx: Tx, prefix: string): Promise<Waiting> =>
  one(tx.rows<Waiting>`
    select count(*)::int4 as messages,
           coalesce(extract(epoch from now() - min(received_at)) * 1000, 0)::float8 as "oldestMs"
      from authorisations.messages where state = 'unfollowed' and prefix = ${prefix}`);

const one = async (rows: Promise<Waiting[]>): Promise<Waiting> => (await rows)[0];
