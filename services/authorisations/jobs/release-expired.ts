import type { Client } from '#declare/service.ts';
import type { ledger } from '#services/ledger/service.ts';

const HOLDS_A_CALL = 2_000;

/**
 * Has the ledger release expired holds, turn after turn: those that have expired since the turn before. What came in
 * expired already, as a hold of a file may, or was left by processes that have ended, is found by reading on through
 * all that was ever held: at the first turn, and then once a day.
 */
export class ExpiredHoldsJob {
  readonly #ledger: Client<typeof ledger>;
  readonly #turnsADay: number;
  #turns = 0;
  #upTo: Date | undefined;

  constructor(client: Client<typeof ledger>, { turnsADay }: { turnsADay: number }) {
    this.#ledger = client;
    this.#turnsADay = turnsADay;
  }

  async run(signal: AbortSignal): Promise<void> {
    const since = this.#turns % this.#turnsADay === 0 ? undefined : this.#upTo;
    while (!signal.aborted) {
      const { released, upTo } = await this.#ledger.releaseExpiredHolds({ since, limit: HOLDS_A_CALL });
      if (released === HOLDS_A_CALL) continue;
      this.#upTo = upTo;
      this.#turns++;
      return;
    }
  }
}
