import { Refusal } from '#runtime/refusal.ts';
import { isClientId } from './client-id.ts';
import type { FoundClient } from './service.ts';

interface RecentOptions {
  /** How old an answer may be when it is given, counted from when it was asked for. */
  readonly msMax?: number;
  /** Answers kept, those of unknown ids among them. */
  readonly entriesMax?: number;
  /** Questions under way; ids that nobody has can be made up without end. */
  readonly askingMax?: number;
  /** A clock that only moves forward, in milliseconds. */
  readonly clock?: () => number;
}

type Find = (input: { clientId: string }) => Promise<FoundClient | null>;

interface Entry {
  readonly askedAt: number;
  readonly answer: Promise<FoundClient | null>;
}

/**
 * Clients as they were a moment ago, so that not every request asks the database. Whoever asks while an answer is on its
 * way gets that one. A failure is not kept: when the database cannot say, neither can this, and nobody is let in.
 */
export class RecentClients {
  readonly #find: Find;
  readonly #msMax: number;
  readonly #entriesMax: number;
  readonly #askingMax: number;
  readonly #clock: () => number;
  #asking = 0;
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>();

  constructor(find: Find, options: RecentOptions = {}) {
    this.#find = find;
    this.#msMax = options.msMax ?? 2_000;
    this.#entriesMax = options.entriesMax ?? 2_000;
    this.#askingMax = options.askingMax ?? 64;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /** Not even looked for where the id has a form that no cell gives. `isFresh`: as it is now. */
  async find(clientId: string, isFresh = false): Promise<FoundClient | null> {
    if (!isClientId(clientId)) return null;
    const known = isFresh ? undefined : this.#entries.get(clientId);
    if (known && this.#clock() - known.askedAt < this.#msMax) return known.answer;
    return this.#ask(clientId);
  }

  /** Whether tokens of this client are refused although they have not expired. Nobody has heard of it: refused, too. */
  async isRevoked(clientId: string): Promise<boolean> {
    return (await this.find(clientId))?.isRevoked ?? true;
  }

  #ask(clientId: string): Promise<FoundClient | null> {
    if (this.#asking >= this.#askingMax)
      throw new Refusal(
        'access_busy',
        `${this.#asking} clients are being looked up, which is the most at once.`,
        {
          advice: 'Send the request again in a second.',
        },
      );
    const entry: Entry = { askedAt: this.#clock(), answer: this.#count(this.#find({ clientId })) };
    this.#entries.delete(clientId);
    this.#entries.set(clientId, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#entriesMax) this.#entries.delete(oldest);
    entry.answer.catch(() => {
      if (this.#entries.get(clientId) === entry) this.#entries.delete(clientId);
    });
    return entry.answer;
  }

  async #count<T>(question: Promise<T>): Promise<T> {
    this.#asking++;
    try {
      return await question;
    } finally {
      this.#asking--;
    }
  }
}
