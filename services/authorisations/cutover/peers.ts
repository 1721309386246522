import type { Tx } from '#runtime/database/database.ts';

/** A process that serves messages, as its heartbeat tells of it. */
export interface Peer {
  readonly process: string;
  readonly networkSignedOn: boolean;
  /** Whether its link to each earlier processor is up, by `host:port`. */
  readonly processorUp: Readonly<Record<string, boolean>>;
  /** Answers that left it and are not recorded yet. */
  readonly unrecorded: number;
  /** Since its last heartbeat. */
  readonly silentMs: number;
}

/** A process that was silent for longer has ended and is counted no more. */
const GONE_SECONDS = 60;

export const servingPeers = (tx: Tx) => tx.rows<Peer>`
  select process, network_signed_on as "networkSignedOn", processor_up as "processorUp",
         unrecorded::float8 as unrecorded,
         greatest(extract(epoch from clock_timestamp() - seen_at) * 1000, 0)::float8 as "silentMs"
    from authorisations.peers
   where seen_at > clock_timestamp() - make_interval(secs => ${GONE_SECONDS})
   order by process`;
