import type { Client } from '#declare/service.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import type { ledger, MovementOutcome } from '#services/ledger/service.ts';
import { movementRow } from '#services/ledger/service.ts';
import type { Movement } from './entry.ts';
import type { Task } from './task.ts';

const DAY_MS = 24 * 3600 * 1000;

export interface RowTerms {
  /** The message's key; a further movement of the same message has one of its own. */
  readonly movementId: string;
  /** Followed: a balance that a file states may hold it already. */
  readonly covered: boolean;
  readonly approvalCode: string | null;
  /** A hold that is placed lasts from then on; the sender's own time may be wrong by months. */
  readonly now: Date;
  /** It concerns no hold but the one it names, also none that RRN and approval code would lead to. */
  readonly isProbe?: boolean;
}

/** The movements of a batch of messages, in the order in which the ledger runs them. Used again batch after batch. */
export class LedgerRows {
  readonly #ledger: Client<typeof ledger>;
  readonly #holdMs: number;
  readonly #rows = new Batch(movementRow);

  constructor(client: Client<typeof ledger>, { holdDays }: { holdDays: number }) {
    this.#ledger = client;
    this.#holdMs = holdDays * DAY_MS;
  }

  clear(): void {
    this.#rows.clear();
  }

  /** Answers the line, by which the outcome is found. */
  add(
    movement: Movement,
    { request }: Task,
    { movementId, covered, approvalCode, now, isProbe = false }: RowTerms,
  ): number {
    const line = this.#rows.rows;
    const to = this.#rows.columns;
    const namesHold = !isProbe && movement.kind !== 'inspect' && movement.kind !== 'refund';
    to.line.int4(line);
    to.movementId.uuid(movementId);
    to.kind.string(movement.kind);
    to.accountId.uuid(movement.accountId);
    to.cardId.uuid(movement.cardId);
    to.holdId.uuidOrNull(movement.holdId);
    to.amountMinor.int8(movement.amountMinor);
    to.currency.string(movement.currency);
    to.force.int2(movement.force ? 1 : 0);
    to.covered.int2(covered ? 1 : 0);
    addTextOrNull(to.approvalCode, namesHold ? approvalCode : null);
    addTextOrNull(to.rrn, namesHold ? request.rrn : null);
    addTextOrNull(to.originalStan, namesHold ? request.original?.stan : null);
    addTextOrNull(to.stan, request.stan);
    addTextOrNull(to.mcc, request.merchant.mcc);
    addTextOrNull(to.merchantName, request.merchant.name);
    to.movedAt.timestamp(request.transmittedAt.getTime());
    to.expiresAt.timestamp(now.getTime() + this.#holdMs);
    return line;
  }

  /** Asks the ledger; the outcome of line n stands at n. */
  async move(): Promise<readonly MovementOutcome[]> {
    if (this.#rows.rows === 0) return [];
    const outcomes = await this.#ledger.moveForMessages(this.#rows);
    return outcomes.every(({ line }, i) => line === i)
      ? outcomes
      : outcomes.toSorted((a, b) => a.line - b.line);
  }
}

function addTextOrNull(column: ColumnBuffer, value: string | null | undefined): void {
  if (value) column.string(value);
  else column.null();
}

/** The id of a further movement of a message: its key with the highest bit of the last byte set. */
export const furtherMovement = (key: string): string =>
  key.slice(0, -2) + (Number.parseInt(key.slice(-2), 16) | 0x80).toString(16);
