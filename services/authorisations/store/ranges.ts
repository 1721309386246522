import { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import type { Pipeline, Tx } from '#runtime/database/database.ts';

export type Mode = 'relay' | 'own';

/** A BIN range: who decides about its cards, and how its earlier processor is reached. */
export interface Range {
  readonly prefix: string;
  readonly mode: Mode;
  /** Rises with every flip. */
  readonly epoch: number;
  /** `host:port`; null where there is none. */
  readonly processor: string | null;
  readonly processorFraming: 'binary' | 'ascii';
  /** How long the earlier processor may think before it is stood in for. */
  readonly budgetMs: number;
  /** The most that is approved in its stead: per message and card and day; null is no stand-in at all. */
  readonly standInAmountMinor: number | null;
  readonly standInCount: number | null;
  readonly pinPolicy: string;
}

/** Of the two-number advisory locks of a cell's database, those that ranges and cards are locked by. */
const RANGE_LOCKS = 858_301;
const CARD_LOCKS = 858_302;

export const readRanges = (tx: Tx) => tx.rows<Range>`
  select prefix, mode, epoch, processor, processor_framing as "processorFraming", budget_ms as "budgetMs",
         stand_in_amount_minor::float8 as "standInAmountMinor", stand_in_count as "standInCount",
         pin_policy as "pinPolicy"
    from authorisations.ranges order by prefix`;

/**
 * Keeps ranges from being flipped, and makes the messages of a card wait for each other, in whatever process they are,
 * until the end of the transaction. The modes of the ranges are read after it, in a statement of their own.
 *
 * Cards are locked by a number drawn from their code. The numbers rise, so that two batches cannot wait for each
 * other; cards that have the same one wait in vain, which harms nobody.
 */
export const holdBatch = (tx: Pipeline, prefixes: readonly string[], cards: readonly number[]) => tx.send`
  select (select count(*) from (select pg_advisory_xact_lock_shared(${RANGE_LOCKS}, prefix)
                                  from unnest(${[...prefixes]}::int4[]) as prefix) ranges),
         (select count(*) from (select pg_advisory_xact_lock(${CARD_LOCKS}, card)
                                  from unnest(${int4Array(cards)}::int4[]) as card) cards)`;

/** As `holdBatch`, for what concerns no cards. */
export const shareRanges = (tx: Pipeline, prefixes: readonly string[]): void => holdBatch(tx, prefixes, []);

/** Waits for the batches under way in every process and keeps new ones out: what a flip begins with. */
export const holdRange = (tx: Tx, prefix: string) => tx.run`
  select pg_advisory_xact_lock(${RANGE_LOCKS}, ${prefix}::int4)`;

/** The ranges of a cell, to be asked for the one of a card number. */
export class Ranges {
  readonly all: readonly Range[];
  readonly #byPrefix: ReadonlyMap<string, Range>;
  readonly #lengths: readonly number[];

  constructor(all: readonly Range[]) {
    this.all = all;
    this.#byPrefix = new Map(all.map((range) => [range.prefix, range]));
    this.#lengths = [...new Set(all.map(({ prefix }) => prefix.length))].sort((a, b) => b - a);
  }

  /** The range with the longest prefix of this card number. */
  of(pan: string): Range | undefined {
    for (const length of this.#lengths) {
      const range = this.#byPrefix.get(pan.slice(0, length));
      if (range) return range;
    }
    return undefined;
  }

  get(prefix: string): Range | undefined {
    return this.#byPrefix.get(prefix);
  }

  /** Whether the same card numbers fall into the same ranges. */
  hasSamePrefixes({ all }: Ranges): boolean {
    return all.length === this.all.length && all.every(({ prefix }) => this.#byPrefix.has(prefix));
  }
}

function int4Array(values: readonly number[]): Buffer {
  const column = new ColumnBuffer('int4');
  for (const value of values) column.int4(value);
  return column.array();
}
