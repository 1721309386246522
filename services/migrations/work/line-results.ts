import { addMinor, type ChunkTotals, countLine, type MinorText, noTotals } from './chunk-totals.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Outcome, Reason } from './outcome.ts';
import type { ParsedLines } from './parsed-lines.ts';

/** What became of each line of a chunk, as it is being found out. */
export class LineResults {
  readonly posted: MinorText = {};
  readonly held: MinorText = {};
  readonly #lines: ParsedLines;
  readonly #outcomes: (Outcome | null)[];
  readonly #reasons: (Reason | null)[];

  constructor(lines: ParsedLines) {
    this.#lines = lines;
    this.#reasons = [...lines.reasons];
    this.#outcomes = lines.reasons.map((reason) => (reason ? 'rejected' : null));
  }

  isOpen(i: number): boolean {
    return this.#outcomes[i] === null;
  }

  outcome(i: number): Outcome | null {
    return this.#outcomes[i];
  }

  accept(i: number, outcome: 'migrated' | 'updated' | 'unchanged'): void {
    this.#outcomes[i] = outcome;
  }

  reject(i: number, reason: Reason): void {
    this.#outcomes[i] = 'rejected';
    this.#reasons[i] = reason;
  }

  die(i: number, reason: Reason): void {
    this.#outcomes[i] = 'dead';
    this.#reasons[i] = reason;
  }

  /** The lines that lie among the dead letters now, with the reason. */
  dead(): { i: number; reason: Reason }[] {
    return this.#outcomes.flatMap((outcome, i) =>
      outcome === 'dead' ? [{ i, reason: this.#reasons[i]! }] : [],
    );
  }

  totals(): ChunkTotals {
    const totals: ChunkTotals = { ...noTotals(), held: this.held };
    this.#outcomes.forEach((outcome, i) => {
      if (!outcome) throw new Error(`line ${this.#lines.numbers[i]} ended without an outcome`);
      countLine(totals, this.#lines.types[i], outcome);
      const reason = this.#reasons[i];
      if (outcome !== 'rejected' || !reason) return;
      totals.rejections[reason.code] = (totals.rejections[reason.code] ?? 0) + 1;
      if (reason.field) totals.invalidFields[reason.field] = (totals.invalidFields[reason.field] ?? 0) + 1;
    });
    for (const [currency, minor] of Object.entries(this.posted))
      addMinor(totals.posted, currency, BigInt(minor));
    return totals;
  }

  /** The lines of the result file, in the order of the chunk. */
  write(to: ByteWriter): void {
    const lines = this.#lines;
    for (let i = 0; i < lines.count; i++) {
      const reason = this.#reasons[i];
      to.ascii(`R,${lines.numbers[i]},${lines.types[i]},${lines.externalIds[i]},${this.#outcomes[i]},`);
      if (reason) {
        to.ascii(reason.code);
        to.comma();
        to.field(reason.detail);
        to.ascii(',,,\n');
      } else {
        to.ascii(',,');
        writeIds(to, lines, i);
        to.ascii('\n');
      }
    }
  }
}

/** card_id, cardholder_id, account_id: a card has all three, a hold or a token names its card. */
function writeIds(to: ByteWriter, lines: ParsedLines, i: number): void {
  if (lines.types[i] === 'C') {
    to.uuid(lines.ids, lines.ownIdAt(i));
    to.comma();
    to.uuid(lines.ids, lines.cardholderIdAt(i));
    to.comma();
    to.uuid(lines.ids, lines.accountIdAt(i));
  } else {
    to.uuid(lines.ids, lines.linkedCardIdAt(i));
    to.ascii(',,');
  }
}
