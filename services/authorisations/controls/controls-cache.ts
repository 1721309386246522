import type { Tx } from '#runtime/database/database.ts';
import type { CardView } from '../decision/card-view.ts';
import { type Limits, limitsOf, NO_LIMITS, portfolioLimits, strictest } from './limits.ts';
import { controlsInForce, controlsMark } from './store.ts';

/** The limits of a subject as they are, and as its draft would have them. */
interface InForce {
  readonly active: Limits;
  readonly draft: Limits | null;
}

const NOTHING: InForce = { active: NO_LIMITS, draft: null };

export interface CardLimits {
  readonly limits: Limits;
  /** With drafts in place of active versions; null where the card and its product have none. */
  readonly draft: Limits | null;
}

interface CacheOptions {
  /** How old what is here may be: a change takes effect in every process after this long. */
  readonly msMax?: number;
  /** A clock that only moves forward, in milliseconds. */
  readonly clock?: () => number;
}

/** All controls of the cell in memory. Call `refresh` before a batch and `limitsOf` for each card in it. */
export class ControlsCache {
  readonly #tx: Tx;
  readonly #msMax: number;
  readonly #clock: () => number;
  #cards = new Map<string, InForce>();
  #products = new Map<string, InForce>();
  #mark = '';
  #readAt = -Infinity;
  #reading: Promise<void> | null = null;

  constructor(tx: Tx, { msMax = 1000, clock = () => performance.now() }: CacheOptions = {}) {
    this.#tx = tx;
    this.#msMax = msMax;
    this.#clock = clock;
  }

  /** Looks for changes unless it just did. When the database cannot say, it throws: limits must not grow old unseen. */
  async refresh(): Promise<void> {
    if (this.#clock() - this.#readAt < this.#msMax) return;
    await (this.#reading ??= this.#read().finally(() => (this.#reading = null)));
  }

  limitsOf(card: CardView): CardLimits {
    const portfolio = portfolioLimits(card);
    const own = this.#cards.get(card.cardId) ?? NOTHING;
    const product = this.#products.get(card.product) ?? NOTHING;
    const together = (ofCard: Limits, ofProduct: Limits) =>
      strictest(portfolio, strictest(ofCard, ofProduct));
    const limits = together(own.active, product.active);
    if (!own.draft && !product.draft) return { limits, draft: null };
    return { limits, draft: together(own.draft ?? own.active, product.draft ?? product.active) };
  }

  async #read(): Promise<void> {
    const readAt = this.#clock();
    // The mark is read first: what changes in between is read twice rather than never.
    const mark = await controlsMark(this.#tx);
    if (mark !== this.#mark) {
      const cards = new Map<string, InForce>();
      const products = new Map<string, InForce>();
      for (const { scope, subject, state, rules } of await controlsInForce(this.#tx)) {
        const subjects = scope === 'card' ? cards : products;
        const known = subjects.get(subject) ?? NOTHING;
        const limits = limitsOf(rules);
        subjects.set(subject, state === 'draft' ? { ...known, draft: limits } : { ...known, active: limits });
      }
      this.#cards = cards;
      this.#products = products;
      this.#mark = mark;
    }
    this.#readAt = readAt;
  }
}
