import type { Database, Tx } from '#runtime/database/database.ts';
import { LinkFailure } from '#runtime/iso8583/link/failures.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import type { Pan } from '#runtime/vault/pan.ts';
import { messageFromRecord, openPans, type Opener } from '../jobs/from-record.ts';
import type { Processors } from '../relay/processors.ts';
import type { Range, Ranges } from '../store/ranges.ts';
import {
  acknowledgeAdvices,
  dueAdvices,
  type DueAdvice,
  mayForward,
  PUT_OFF_MS_MAX,
  putOffAdvices,
} from '../store/waiting.ts';
import { adviceMessage } from './advice-message.ts';

const AT_ONCE_MAX = 500;
/** A round is a transaction, which may not be idle for long. */
const ROUND_MS_MAX = 5_000;
const BACK_OFF_MS = 1_000;

/** Codes by which the other side says that it could not take it now. */
const NOT_NOW = ['91', '96'];

/**
 * Tells earlier processors what was decided without them: advices are stored with the messages and forwarded until
 * they are acknowledged. Those of a card go one after the other, in the order in which they came; those of different
 * cards beside each other. One process of a cell forwards at a time. Answers how many were acknowledged.
 */
export const forwardAdvices = (
  db: Database,
  processors: Processors,
  ranges: Ranges,
  opener: Opener,
  { now = Date.now }: { now?: () => number } = {},
): Promise<number> => {
  const reachable = ranges.all.filter((range) => range.processor !== null && processors.of(range).up);
  if (reachable.length === 0) return Promise.resolve(0);
  return db.transaction(async (tx) => {
    if (!(await mayForward(tx))) return 0;
    const due = await dueAdvices(
      tx,
      new Date(now()),
      reachable.map(({ prefix }) => prefix),
      AT_ONCE_MAX,
    );
    if (due.length === 0) return 0;
    const round = new Round(processors, ranges, await openPans(opener, due), now);
    await Promise.all(
      [...Map.groupBy(due, ({ panIndex }) => panIndex).values()].map((ofCard) => round.tell(ofCard)),
    );
    await round.record(tx);
    return round.acknowledged;
  });
};

class Round {
  readonly #processors: Processors;
  readonly #ranges: Ranges;
  readonly #pans: ReadonlyMap<string, Pan>;
  readonly #now: () => number;
  readonly #endsAt: number;
  readonly #acknowledged: string[] = [];
  readonly #putOff = new Map<string, Date>();

  constructor(processors: Processors, ranges: Ranges, pans: ReadonlyMap<string, Pan>, now: () => number) {
    this.#processors = processors;
    this.#ranges = ranges;
    this.#pans = pans;
    this.#now = now;
    this.#endsAt = performance.now() + ROUND_MS_MAX;
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** Tells of a card's messages one after the other. Where one cannot be told, those behind it wait with it. */
  async tell(ofCard: readonly DueAdvice[]): Promise<void> {
    for (let i = 0; i < ofCard.length && performance.now() < this.#endsAt; i++) {
      const due = ofCard[i];
      const range = this.#ranges.get(due.prefix)!;
      if (await this.#isTaken(due, range)) {
        this.#acknowledged.push(due.key);
        continue;
      }
      const waitMs = Math.min(PUT_OFF_MS_MAX, BACK_OFF_MS * 2 ** Math.min(due.attempts, 10));
      this.#putOff.set(due.key, new Date(this.#now() + waitMs));
      return;
    }
  }

  async record(tx: Tx): Promise<void> {
    await acknowledgeAdvices(tx, this.#acknowledged);
    await putOffAdvices(tx, this.#putOff);
  }

  async #isTaken(due: DueAdvice, range: Range): Promise<boolean> {
    const pan = this.#pans.get(due.key);
    if (!pan) return true; // its card is gone with the import that brought it: nobody can be told of it
    const advice = adviceMessage(messageFromRecord(due, pan), due);
    try {
      const { message } = await this.#processors.of(range).request(pack(advice), advice);
      return !NOT_NOW.includes(message.get(39) ?? '96');
    } catch (error) {
      if (error instanceof LinkFailure) return false;
      throw error;
    }
  }
}
