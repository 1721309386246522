import { csvLine } from './csv-line.ts';
import { SeenIds } from './seen-ids.ts';

/** Counts and sums of a file while it is written: each account once, at its first line. */
export class PortfolioTrailer {
  readonly rows = { cards: 0, holds: 0, tokens: 0 };
  readonly #accounts = new SeenIds();
  readonly #posted = new Map<string, bigint>();
  readonly #held = new Map<string, bigint>();

  addCard(account: { accountId: string; currency: string; postedMinor: bigint }): void {
    this.rows.cards++;
    if (this.#accounts.add(account.accountId)) add(this.#posted, account.currency, account.postedMinor);
  }

  addHold({ currency, amountMinor }: { currency: string; amountMinor: bigint }): void {
    this.rows.holds++;
    add(this.#held, currency, amountMinor);
  }

  addToken(): void {
    this.rows.tokens++;
  }

  line(): string {
    const { cards, holds, tokens } = this.rows;
    return csvLine(['T', cards, holds, tokens, totalsText(this.#posted), totalsText(this.#held)]);
  }
}

const add = (sums: Map<string, bigint>, currency: string, minor: bigint) =>
  sums.set(currency, (sums.get(currency) ?? 0n) + minor);

const totalsText = (sums: ReadonlyMap<string, bigint>): string =>
  [...sums.keys()]
    .sort()
    .map((currency) => `${currency}=${sums.get(currency)}`)
    .join(';');
