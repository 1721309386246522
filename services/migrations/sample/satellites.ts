import { daysAfter } from './calendar.ts';
import type { SampleCards } from './cards.ts';
import { Draws } from './draws.ts';
import { merchants } from './words.ts';

/** The fields of an `O` line that others look at or change, by their place in the line. */
export const O = { external_card_id: 2, amount_minor: 3, currency: 4 } as const;
/** Likewise for `W`. */
export const W = { status: 5 } as const;

const STREAMS = { hold: 5, token: 6 };
const STREAM_STEP = 10;
const APPROVAL = 'ABCDEFGHJKLMNPQRSTUVWXYZ0123456789';

/** Where a hold or token stands: some lines before its card, right after it, or after all cards. */
export type Place = 'before' | 'after' | 'end';

interface Shares {
  readonly holdsPercent: number;
  readonly tokensPercent: number;
}

/** The open hold and the wallet token that card `index` may have, drawn afresh each time like the card. */
export class Satellites {
  readonly #cards: SampleCards;
  readonly #hold: Draws;
  readonly #token: Draws;
  readonly #shares: Shares;
  readonly #mark: string;
  readonly #approvedDays: readonly string[];
  readonly #expiryDays: readonly string[];

  /** A delta's new holds and tokens are drawn apart from those of the full file, and bear its number. */
  constructor({
    cards,
    seed,
    createdAt,
    shares,
    deltaNumber = 0,
  }: {
    cards: SampleCards;
    seed: number;
    createdAt: string;
    shares: Shares;
    deltaNumber?: number;
  }) {
    const today = createdAt.slice(0, 10);
    this.#cards = cards;
    this.#shares = shares;
    this.#mark = deltaNumber === 0 ? '' : `-d${deltaNumber}`;
    this.#hold = new Draws(seed, STREAMS.hold + deltaNumber * STREAM_STEP);
    this.#token = new Draws(seed, STREAMS.token + deltaNumber * STREAM_STEP);
    this.#approvedDays = Array.from({ length: 7 }, (_, i) => daysAfter(today, i - 7));
    this.#expiryDays = Array.from({ length: 7 }, (_, i) => daysAfter(today, i + 1));
  }

  /** Null when the card has none, or has it in another place. */
  hold(index: number, place: Place): string[] | null {
    const draws = this.#hold.startAt(index);
    if (!draws.isWithin(this.#shares.holdsPercent) || drawPlace(draws) !== place) return null;
    const [merchant, mcc] = draws.pick(merchants);
    const day = draws.below(7);
    const time = `T${10 + draws.below(13)}:${10 + draws.below(50)}:${10 + draws.below(50)}Z`;
    return [
      'O',
      this.#cards.ids.of(`hold${this.#mark}`, index),
      this.#cards.ids.of('card', index),
      String(1 + draws.below(90_000)),
      this.#cards.currency(index),
      merchant,
      mcc,
      draws.pick(['A', 'B', '7']) +
        draws.pick(['0', 'X']) +
        APPROVAL[draws.below(APPROVAL.length)] +
        (100 + draws.below(900)),
      String(100_000 + draws.below(900_000)),
      String(100_000_000_000 + draws.next()),
      this.#approvedDays[day] + time,
      this.#expiryDays[day] + time,
    ];
  }

  /** Likewise. */
  token(index: number, place: Place): string[] | null {
    const draws = this.#token.startAt(index);
    if (!draws.isWithin(this.#shares.tokensPercent) || drawPlace(draws) !== place) return null;
    return [
      'W',
      this.#cards.ids.of(`tok${this.#mark}`, index),
      this.#cards.ids.of('card', index),
      draws.pick(['apple-pay', 'google-pay', 'garmin-pay']),
      draws.below(5) > 0 ? `dev-${draws.below(1_000_000)}` : '',
      draws.pick(['active', 'active', 'active', 'suspended', 'deleted']),
      draws.pick(['2712', '2906', '3012']),
    ];
  }
}

function drawPlace(draws: Draws): Place {
  const share = draws.below(10);
  if (share < 2) return 'before';
  return share < 6 ? 'after' : 'end';
}
