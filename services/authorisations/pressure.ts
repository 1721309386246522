import type { Database } from '#runtime/database/database.ts';
import type { Pressure } from './service.ts';

/** A process beats every second; one that was silent for longer answers nothing now. */
const STALE_SECONDS = 5;
/** Of a process seen for the first time it is known only that it answered something in the last seconds. */
const FIRST_PER_SECOND = 1;

interface Beat {
  readonly process: string;
  /** Since the process began. */
  readonly answered: number;
  readonly p99Ms: number | null;
  readonly seenAtMs: number;
}

interface Rated extends Beat {
  readonly perSecond: number;
}

/** How many messages the cell answers, from the heartbeats of the processes that serve them. */
export const pressure = (db: Database) => {
  let before: readonly Rated[] = [];
  return async (): Promise<Pressure> => {
    before = rated(await beats(db), before);
    const p99s = before.flatMap(({ p99Ms }) => (p99Ms === null ? [] : [p99Ms]));
    return {
      messagesPerSecond: before.reduce((sum, { perSecond }) => sum + perSecond, 0),
      p99Ms: p99s.length > 0 ? Math.max(...p99s) : null,
    };
  };
};

const beats = (db: Database) => db.rows<Beat>`
  select process, answered::float8 as answered, p99_ms as "p99Ms",
         (extract(epoch from seen_at) * 1000)::float8 as "seenAtMs"
    from authorisations.peers
   where seen_at > clock_timestamp() - make_interval(secs => ${STALE_SECONDS})`;

/** The rate of each process since its last heartbeat but one; the one it had when it has not beaten again. */
export function rated(now: readonly Beat[], before: readonly Rated[]): Rated[] {
  const earlier = new Map(before.map((beat) => [beat.process, beat]));
  return now.map((beat) => {
    const last = earlier.get(beat.process);
    if (!last) return { ...beat, perSecond: beat.p99Ms === null ? 0 : FIRST_PER_SECOND };
    const seconds = (beat.seenAtMs - last.seenAtMs) / 1000;
    if (seconds <= 0) return last;
    return { ...beat, perSecond: Math.max(0, beat.answered - last.answered) / seconds };
  });
}
