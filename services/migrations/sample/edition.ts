import type { SampleCards } from './cards.ts';
import type { Place, Satellites } from './satellites.ts';

export interface SentCard {
  readonly fields: string[];
  /** The first line of its account in this file: the one that counts in the trailer. */
  readonly isFirstOfAccount: boolean;
  /** False for lines sent although they must be rejected: others cannot lean on them. */
  readonly isAccepted: boolean;
}

/** What one file sends about which cards. `card` is asked once per index, in rising order. */
export interface Edition {
  /** Indexes from `first` to before `end`. */
  readonly ranges: readonly { readonly first: number; readonly end: number }[];
  card(index: number): SentCard | null;
  hold(index: number, place: Place): string[] | null;
  token(index: number, place: Place): string[] | null;
  /** A card of the full file that neither this file nor an earlier delta touches, at or before `index`. */
  untouched(index: number): string[] | null;
}

/** Every card of the portfolio with its hold and token. */
export class FullEdition implements Edition {
  readonly ranges;
  readonly #cards: SampleCards;
  readonly #satellites: Satellites;

  constructor({ cards, satellites, count }: { cards: SampleCards; satellites: Satellites; count: number }) {
    this.ranges = [{ first: 0, end: count }];
    this.#cards = cards;
    this.#satellites = satellites;
  }

  card(index: number): SentCard {
    // An account is founded by the first card that names it, so joining cards are never the first.
    const isFirstOfAccount = this.#cards.links(index).account === index;
    return { fields: this.#cards.fields(index), isFirstOfAccount, isAccepted: true };
  }

  hold(index: number, place: Place): string[] | null {
    return this.#satellites.hold(index, place);
  }

  token(index: number, place: Place): string[] | null {
    return this.#satellites.token(index, place);
  }

  untouched(): null {
    return null;
  }
}
