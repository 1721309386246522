import type { Client } from '#declare/service.ts';
import { Batch } from '#runtime/batch/batch.ts';
import { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import { uuidArray } from '#runtime/batch/uuid-array.ts';
import type { Pipeline } from '#runtime/database/database.ts';
import { type cards, panIndexRow } from '#services/cards/service.ts';
import type { CardStatus, CardView } from '../decision/card-view.ts';
import type { Usage } from '../decision/usage.ts';
import { findMessages, type KnownMessage } from '../store/messages.ts';
import { holdBatch, type Range, Ranges, readRanges } from '../store/ranges.ts';
import { findReversedAhead } from '../store/reversed-ahead.ts';
import { readUsage } from '../store/usage.ts';
import { databaseNow } from '../store/database-now.ts';
import { untoldCards } from '../store/waiting.ts';
import type { About, Task } from './task.ts';

/** What a batch of messages is decided from, as it stands under the locks of its ranges and cards. */
export interface Reading {
  readonly ranges: Ranges;
  readonly known: ReadonlyMap<string, KnownMessage>;
  readonly reversedAhead: ReadonlyMap<string, number>;
  /** Of each card; brought up to date while the batch is decided. */
  readonly usage: Map<string, Usage>;
  /** By the codes of card numbers: when the last advice is due that the earlier processor has not acknowledged. */
  readonly untold: Map<string, number>;
  /**
   * By the database's clock, the one that all processes of a cell share: it decides how long holds last, which day's
   * limits count and whether a card is past its expiry, whatever the clock of a process says.
   */
  readonly now: Date;
}

/** Locks what messages concern and reads it. Used again batch after batch. */
export class Reader {
  readonly #keys = new ColumnBuffer('uuid');
  readonly #own = new ColumnBuffer('uuid');
  readonly #cards = new ColumnBuffer('uuid');
  readonly #told = new ColumnBuffer('uuid');

  /** All of it leaves at once, and each statement sees what the one before has waited for. */
  async read(tx: Pipeline, tasks: readonly Task[]): Promise<Reading> {
    const prefixes = new Set<string>();
    const locks = new Set<number>();
    const cardIds = new Set<string>();
    const told = new Set<string>();
    const keys: string[] = [];
    for (const { codes, range, card } of tasks) {
      if (range) prefixes.add(range.prefix);
      locks.add(Number.parseInt(codes.panIndex.slice(0, 8), 16) | 0);
      if (card) cardIds.add(card.cardId);
      if (range && range.processor !== null) told.add(codes.panIndex);
      keys.push(codes.key, codes.twinKey);
      if (codes.originalKey && codes.originalTwinKey) keys.push(codes.originalKey, codes.originalTwinKey);
    }
    holdBatch(
      tx,
      [...prefixes],
      [...locks].sort((a, b) => a - b),
    );
    const [ranges, known, reversedAhead, usage, untold, [{ now }]] = await Promise.all([
      readRanges(tx),
      findMessages(tx, uuidArray(keys, this.#keys)),
      findReversedAhead(
        tx,
        uuidArray(
          tasks.map(({ codes }) => codes.key),
          this.#own,
        ),
      ),
      cardIds.size > 0 ? readUsage(tx, uuidArray(cardIds, this.#cards)) : new Map<string, Usage>(),
      told.size > 0 ? untoldCards(tx, uuidArray(told, this.#told)) : new Map<string, number>(),
      databaseNow(tx),
    ]);
    return { ranges: new Ranges(ranges), known, reversedAhead, usage, untold, now };
  }
}

export function aboutOf({ known }: Reading, { codes }: Task): About {
  const find = (key: string | null) => (key === null ? undefined : known.get(key));
  const originals = [find(codes.originalKey), find(codes.originalTwinKey)].filter(
    (each) => each !== undefined,
  );
  return { self: known.get(codes.key), twin: known.get(codes.twinKey), originals };
}

/** Finds the cards of messages by the codes of their numbers. */
export class CardFinder {
  readonly #cards: Client<typeof cards>;
  readonly #rows = new Batch(panIndexRow);

  constructor(client: Client<typeof cards>) {
    this.#cards = client;
  }

  /** A card of no range is none that anybody here answers for. */
  async find(tasks: readonly Task[]): Promise<void> {
    this.#rows.clear();
    const { line, panIndex } = this.#rows.columns;
    tasks.forEach((task, i) => {
      task.card = null;
      if (!task.range) return;
      line.int4(i);
      panIndex.uuid(task.codes.panIndex);
    });
    if (this.#rows.rows === 0) return;
    for (const {
      line,
      dailyLimitMinor,
      monthlyLimitMinor,
      status,
      ...card
    } of await this.#cards.findCardsByPan(this.#rows)) {
      const view: CardView = {
        ...card,
        status: status as CardStatus,
        dailyLimitMinor: dailyLimitMinor === null ? null : Number(dailyLimitMinor),
        monthlyLimitMinor: monthlyLimitMinor === null ? null : Number(monthlyLimitMinor),
      };
      tasks[line].card = view;
    }
  }
}

/** Whether the ranges that the tasks were sorted into are still the right ones; sorts them anew. */
export function sortIntoRanges(tasks: readonly Task[], ranges: Ranges): boolean {
  let isAsBefore = true;
  for (const task of tasks) {
    const range: Range | undefined = ranges.of(task.request.pan.reveal());
    if (range?.prefix !== task.range?.prefix) isAsBefore = false;
    task.range = range;
  }
  return isAsBefore;
}
