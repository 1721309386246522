import { currencies } from './code-lists.ts';

/** Sums per currency, in alphabetical order. A currency that nothing was added for is absent, not zero. */
export type Totals = ReadonlyMap<string, bigint>;

/** Adds up amounts per currency; sums may pass what a `number` holds. */
export class TotalsSum {
  /** Added so far and not yet in `#sums`: a bigint per line would cost more than checking the line. */
  readonly #pending = new Float64Array(currencies.length);
  readonly #sums = new Array<bigint>(currencies.length).fill(0n);
  readonly #present = new Uint8Array(currencies.length);

  /** `currency` is its place in `currencies`; the amount is a safe integer. */
  add(currency: number, amountMinor: number): void {
    this.#present[currency] = 1;
    const sum = this.#pending[currency] + amountMinor;
    if (Number.isSafeInteger(sum)) {
      this.#pending[currency] = sum;
      return;
    }
    this.#sums[currency] += BigInt(this.#pending[currency]);
    this.#pending[currency] = amountMinor;
  }

  totals(): Totals {
    const totals = new Map<string, bigint>();
    currencies.forEach((code, i) => {
      if (this.#present[i]) totals.set(code, this.#sums[i] + BigInt(this.#pending[i]));
    });
    return totals;
  }
}

/** As the trailer writes them: `PEN=-12;USD=100`. */
export function formatTotals(totals: Totals): string {
  return [...totals].map(([code, sum]) => `${code}=${sum}`).join(';');
}

/** Reads what the rule `totals` has accepted. */
export function parseTotals(text: string): Totals {
  const totals = new Map<string, bigint>();
  if (text === '') return totals;
  for (const pair of text.split(';')) totals.set(pair.slice(0, 3), BigInt(pair.slice(4)));
  return totals;
}
