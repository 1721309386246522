import type { Tx } from '#runtime/database/database.ts';

export interface Heartbeat {
  readonly process: string;
  readonly networkSignedOn: boolean;
  readonly processorUp: Readonly<Record<string, boolean>>;
  readonly answered: number;
  readonly unrecorded: number;
  /** Of the last seconds; null when nothing was answered in them. */
  readonly p99Ms: number | null;
}

export const beat = (
  tx: Tx,
  { process, networkSignedOn, processorUp, answered, unrecorded, p99Ms }: Heartbeat,
) =>
  tx.run`
    insert into authorisations.peers
      (process, network_signed_on, processor_up, answered, unrecorded, p99_ms, seen_at)
    values (${process}, ${networkSignedOn}, ${JSON.stringify(processorUp)}::jsonb, ${answered}, ${unrecorded},
            ${p99Ms}, clock_timestamp())
        on conflict (process) do update
       set network_signed_on = excluded.network_signed_on, processor_up = excluded.processor_up,
           answered = excluded.answered, unrecorded = excluded.unrecorded, p99_ms = excluded.p99_ms,
           seen_at = excluded.seen_at`;

/** A process that ends in order is not missed. */
export const leave = (tx: Tx, process: string) => tx.run`
  delete from authorisations.peers where process = ${process}`;

/**
 * Processes that were killed leave their heartbeat behind. Hours of the clock that heartbeats are written by, the
 * database's: a process whose own is ahead would forget those that live.
 */
export const forgetPeers = (tx: Tx, hours: number) => tx.run`
  delete from authorisations.peers where seen_at < now() - make_interval(hours => ${hours}::int4)`;
