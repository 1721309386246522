import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

const WRONG_MAX = 10;
const PER_SECONDS = 60;

/**
 * Counts wrong secrets of each client. Only clients that are here are counted, so what is kept is bounded by their
 * number. A right secret is let in whatever the count: an id is no secret, and whoever knows one could otherwise lock
 * its client out. Guessing gains nothing from that, with 256 random bits; the limit keeps guessers from the logs and
 * tells a client that runs with an old secret to stop.
 */
export class WrongSecrets {
  readonly #counts = new RateLimiterMemory({ points: WRONG_MAX, duration: PER_SECONDS });

  /** Counts one more and answers for how many seconds to stop; 0 while there are few. */
  async count(clientId: string): Promise<number> {
    try {
      await this.#counts.consume(clientId);
      return 0;
    } catch (refused) {
      if (refused instanceof RateLimiterRes) return Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
      throw refused;
    }
  }
}
