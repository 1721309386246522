import type { Pipeline } from '#runtime/database/database.ts';
import type { MovementOutcome } from '#services/ledger/service.ts';
import { type Usage, NO_USAGE, usageAfter, usageAfterReversal, usageAt } from '../decision/usage.ts';
import { changeMessages, type Change, type MessageRecord, type MessageRows } from '../store/messages.ts';
import { rememberReversedAhead } from '../store/reversed-ahead.ts';
import { saveUsage } from '../store/usage.ts';
import type { Entry, Movement } from './entry.ts';
import { furtherMovement, type LedgerRows } from './ledger-rows.ts';
import type { Reading } from './reading.ts';
import type { Task } from './task.ts';

/** The rows of one message in the call to the ledger: an inspection, where there is one, then what it moves. */
export interface Asked {
  readonly inspection: number | null;
  /** How the account stood before; only asked for a clearing. */
  readonly before: number | null;
  readonly movements: readonly number[];
}

/** A clock is right that is no further off than this: less could be the way of the database's answer. */
const RIGHT_MS = 1_000;

export const NOTHING_ASKED: Asked = { inspection: null, before: null, movements: [] };

/**
 * What a batch of messages comes to: the movements it asks of the ledger, and what it writes beside them. `ask`, then
 * `move` once, then `book` for each message that ended well, in their order, then `write`.
 */
export class BatchWork {
  readonly now: Date;
  /** By how much the process's clock is ahead of the database's, where it is not right. */
  readonly aheadMs: number;
  readonly #reading: Reading;
  readonly #rows: LedgerRows;
  readonly #records: MessageRecord[] = [];
  readonly #changes = new Map<string, Change>();
  readonly #ahead = new Map<string, number>();
  readonly #usage = new Map<string, Usage>();
  readonly #firstUsed = new Set<string>();
  readonly #undone: { readonly task: Task; readonly line: number }[] = [];
  #outcomes: readonly MovementOutcome[] = [];

  /** `processMs` is what the process's clock shows. */
  constructor(reading: Reading, rows: LedgerRows, processMs: number) {
    this.#reading = reading;
    this.#rows = rows;
    this.now = reading.now;
    const aheadMs = processMs - reading.now.getTime();
    this.aheadMs = Math.abs(aheadMs) > RIGHT_MS ? aheadMs : 0;
    rows.clear();
  }

  /** The usage of a card as it stands after what was booked so far. */
  usageOf(cardId: string): Usage | null {
    return this.#reading.usage.get(cardId) ?? null;
  }

  /** `inspect` asks whether a hold of the request's amount would fit, before anything of it is moved. */
  ask(
    task: Task,
    entry: Entry | null,
    { covered, inspect, approvalCode }: { covered: boolean; inspect: boolean; approvalCode: string | null },
  ): Asked {
    const { key } = task.codes;
    const terms = { movementId: key, covered, approvalCode, now: this.now };
    const inspection = inspect ? this.#rows.add(inspectionOf(task), task, terms) : null;
    if (!entry) return { inspection, before: null, movements: [] };
    const isClearing = task.request.kind === 'financial_advice' && entry.movements[0]?.kind === 'post';
    const before = isClearing
      ? this.#rows.add({ ...entry.movements[0], kind: 'inspect', holdId: null, amountMinor: 0 }, task, terms)
      : null;
    const movements = entry.movements.map((movement, i) => {
      // The last one has the message's own key: it is the one that later messages are about.
      const isLast = i === entry.movements.length - 1;
      return this.#rows.add(movement, task, { ...terms, movementId: isLast ? key : furtherMovement(key) });
    });
    return { inspection, before, movements };
  }

  /**
   * A process may have died after the ledger had moved for a request and before that was on record. Then the ledger
   * alone knows of it: of a hold by the id that the request would give it here, of money by the request's key.
   */
  undoUnrecorded(task: Task, holdId: string | null): void {
    if (task.request.kind === 'financial') return this.undo(task, task.codes.key);
    const release: Movement = { ...inspectionOf(task), kind: 'release', holdId, amountMinor: 0 };
    this.#addAside(release, task, furtherMovement(task.codes.key));
  }

  /** Money that a movement of this id has moved is moved back: a movement of nothing is `already` done then. */
  undo(task: Task, movementId: string): void {
    const nothing: Movement = { ...inspectionOf(task), kind: 'post', amountMinor: 0, force: true };
    this.#undone.push({ task, line: this.#addAside(nothing, task, movementId) });
  }

  async move(): Promise<void> {
    const outcomes = await this.#rows.move();
    this.#outcomes = outcomes;
    const moved = this.#undone.filter(({ line }) => outcomes[line].verdict === 'already');
    if (moved.length > 0) await this.#moveBack(moved.map(({ task }) => task));
  }

  /** A movement that concerns no hold but the one it names. */
  #addAside(movement: Movement, task: Task, movementId: string): number {
    return this.#rows.add(movement, task, {
      movementId,
      covered: false,
      approvalCode: null,
      now: this.now,
      isProbe: true,
    });
  }

  /** Down to what a reversal leaves. */
  async #moveBack(tasks: readonly Task[]): Promise<void> {
    this.#rows.clear();
    for (const task of tasks) {
      const { direction, amountMinor, replacementMinor = 0 } = task.request;
      const back: Movement = {
        ...inspectionOf(task),
        kind: direction === 'debit' ? 'refund' : 'post',
        amountMinor: amountMinor - replacementMinor,
        force: true,
      };
      this.#addAside(back, task, furtherMovement(task.codes.key));
    }
    await this.#rows.move();
  }

  outcome(line: number): MovementOutcome {
    return this.#outcomes[line];
  }

  /** How the last movement of a message ended, or null when it moved nothing. */
  verdictOf({ movements }: Asked): MovementOutcome['verdict'] | null {
    const last = movements.at(-1);
    return last === undefined ? null : this.#outcomes[last].verdict;
  }

  /** Enters what a message has changed beside the ledger, unless the ledger did not move for it. */
  book(task: Task, entry: Entry, asked: Asked): void {
    const verdict = this.verdictOf(asked);
    for (const [key, change] of entry.changes) this.#changes.set(key, change);
    if (entry.ahead && (verdict === 'no_hold' || verdict === null)) this.remember(entry.ahead);
    const hasMoved = verdict === 'moved' || verdict === 'already' || verdict === 'covered';
    if (!task.card || !entry.spending || !hasMoved) return;
    // What was authorised has been counted then; what is cleared without that is counted now.
    if (asked.before !== null && this.#outcomes[asked.before].heldMinor !== this.#lastOf(asked).heldMinor)
      return;
    const { cardId } = task.card;
    const before = this.usageOf(cardId);
    if (!before) this.#firstUsed.add(cardId);
    const usage = usageAt(before ?? NO_USAGE, this.now);
    const { spending } = entry;
    const after =
      spending.kind === 'spend'
        ? usageAfter(usage, spending, this.now)
        : usageAfterReversal(usage, spending, this.now);
    this.#reading.usage.set(cardId, after);
    this.#usage.set(cardId, after);
  }

  remember({ keys, leftMinor }: { keys: readonly string[]; leftMinor: number }): void {
    for (const key of keys) this.#ahead.set(key, Math.min(leftMinor, this.#ahead.get(key) ?? leftMinor));
  }

  record(record: MessageRecord): void {
    this.#records.push(record);
  }

  /** Sends everything; the commit travels with it. */
  write(tx: Pipeline, rows: MessageRows, how: 'insert' | 'finish'): void {
    if (this.#records.length > 0) {
      rows.fill(this.#records);
      rows[how](tx);
    }
    saveUsage(tx, this.#usage, (cardId) => this.#firstUsed.has(cardId));
    changeMessages(tx, this.#changes);
    rememberReversedAhead(tx, this.#ahead);
  }

  #lastOf({ movements }: Asked): MovementOutcome {
    return this.#outcomes[movements[movements.length - 1]];
  }
}

/** Whether the account could cover a request, and whether it is in its currency; a credit needs no cover. */
function inspectionOf({ request, card }: Task): Movement {
  return {
    kind: 'inspect',
    cardId: card!.cardId,
    accountId: card!.accountId,
    holdId: null,
    amountMinor: request.direction === 'debit' ? request.amountMinor : 0,
    currency: request.currency,
    force: false,
  };
}
