import type { Batch } from '#runtime/batch/batch.ts';
import type { ColumnBuffer } from '#runtime/batch/column-buffer.ts';
import { idText } from '#runtime/vault/derived-ids.ts';
import type { Movement } from './judge-movements.ts';
import { MOVEMENT_KINDS, type MovementKind, type movementRow } from './service.ts';

const FIRST_VALUE = 20; // behind the array's header
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

/** Reads a column back value by value, from the binary array that it travels in. */
class ColumnReader {
  readonly #bytes: Buffer;
  #at = FIRST_VALUE;

  constructor(column: ColumnBuffer) {
    this.#bytes = column.array();
  }

  int2(): number {
    this.#at += 6;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int4(): number {
    this.#at += 8;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int8(): number {
    this.#at += 12;
    return this.#bytes.readInt32BE(this.#at - 8) * 4_294_967_296 + this.#bytes.readUInt32BE(this.#at - 4);
  }

  timestampMs(): number {
    return this.int8() / 1000 + POSTGRES_EPOCH_MS;
  }

  /** Passes over a value and answers whether there was one. */
  isThere(): boolean {
    const length = this.#bytes.readInt32BE(this.#at);
    this.#at += 4 + Math.max(0, length);
    return length >= 0;
  }

  text(): string {
    const length = this.#bytes.readInt32BE(this.#at);
    this.#at += 4 + length;
    return this.#bytes.toString('latin1', this.#at - length, this.#at);
  }

  uuidOrNull(): string | null {
    const length = this.#bytes.readInt32BE(this.#at);
    this.#at += 4;
    if (length < 0) return null;
    this.#at += length;
    return idText(this.#bytes, this.#at - length);
  }
}

/** What judging needs of the rows; the other columns go from the batch to the tables as they are. */
export function readMovements({ rows, columns }: Batch<typeof movementRow>): Movement[] {
  const from = Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, new ColumnReader(column)]),
  ) as { [Name in keyof typeof movementRow]: ColumnReader };
  const movements: Movement[] = [];
  for (let index = 0; index < rows; index++) {
    const hasRrn = from.rrn.isThere();
    const hasApprovalCode = from.approvalCode.isThere();
    const hasStan = from.originalStan.isThere();
    const movement: Movement = {
      index,
      line: from.line.int4(),
      movementId: from.movementId.uuidOrNull()!,
      kind: from.kind.text() as MovementKind,
      accountId: from.accountId.uuidOrNull()!,
      holdId: from.holdId.uuidOrNull(),
      namesPurchase: hasRrn && (hasApprovalCode || hasStan),
      amountMinor: from.amountMinor.int8(),
      currency: from.currency.text(),
      force: from.force.int2() === 1,
      covered: from.covered.int2() === 1,
      movedAtMs: from.movedAt.timestampMs(),
    };
    assertSound(movement);
    movements.push(movement);
  }
  return movements.sort((a, b) => a.line - b.line);
}

function assertSound({ line, kind, amountMinor, holdId }: Movement): void {
  if (!MOVEMENT_KINDS.includes(kind)) throw new Error(`movement ${line} is of no known kind`);
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 0)
    throw new Error(`movement ${line} is of no amount in minor units`);
  if (holdId === null && kind === 'hold') throw new Error(`movement ${line} names no hold`);
}
