import { C } from './cards.ts';
import { O } from './satellites.ts';

/** The trailer's figures, counted while the file is written. */
export class Trailer {
  readonly #rows = { C: 0, O: 0, W: 0 };
  // 80 million accounts of at most 50,000.00 stay far below 2^53.
  readonly #posted = new Map<string, number>();
  readonly #held = new Map<string, number>();

  countRow(recordType: 'C' | 'O' | 'W'): void {
    this.#rows[recordType]++;
  }

  addPosted(card: readonly string[]): void {
    add(this.#posted, card[C.currency], card[C.posted_minor]);
  }

  addHeld(hold: readonly string[]): void {
    add(this.#held, hold[O.currency], hold[O.amount_minor]);
  }

  line(): string {
    const { C: cards, O: holds, W: tokens } = this.#rows;
    return `T,${cards},${holds},${tokens},${totals(this.#posted)},${totals(this.#held)}`;
  }
}

function add(sums: Map<string, number>, currency: string, amount: string): void {
  sums.set(currency, (sums.get(currency) ?? 0) + Number(amount));
}

const totals = (sums: Map<string, number>): string =>
  [...sums.keys()]
    .sort()
    .map((currency) => `${currency}=${sums.get(currency)}`)
    .join(';');
