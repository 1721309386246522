import { C, type SampleCards } from './cards.ts';
import type { Edition } from './edition.ts';
import { faultKinds, type FaultContext, type FaultyLine } from './faults.ts';
import { INDEX_LIMIT } from './ids.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Makes one faulty line after another, going round all kinds. It remembers only the last good lines. */
export class FaultSource {
  readonly last: Mutable<FaultContext['last']> = { card: null, raisedCard: null, hold: null, token: null };
  readonly #cards: SampleCards;
  readonly #edition: Edition;
  readonly #kinds = faultKinds();
  #nextKind = 0;
  #made = 0;

  constructor(cards: SampleCards, edition: Edition) {
    this.#cards = cards;
    this.#edition = edition;
  }

  rememberCard(fields: string[]): void {
    this.last.card = fields;
    if (Number(fields[C.version]) > 1) this.last.raisedCard = fields;
  }

  /** A fault that cannot be made at this place is passed over until its next turn. */
  make(position: number): FaultyLine {
    // Founders from the top of the index space have an account and a holder of their own, and no good
    // line comes near them.
    const index = INDEX_LIMIT - 4 * ++this.#made;
    const cards = this.#cards;
    const context: FaultContext = {
      ids: cards.ids,
      index,
      ownCard: () => cards.fields(index),
      ownHold: () => ownHold(cards, index),
      ownToken: () => [
        'W',
        cards.ids.of('tok', index),
        cards.ids.of('card', index),
        'apple-pay',
        '',
        'active',
        '3012',
      ],
      last: this.last,
      untouchedCard: () => this.#edition.untouched(position),
    };
    for (;;) {
      const kind = this.#kinds[this.#nextKind];
      this.#nextKind = (this.#nextKind + 1) % this.#kinds.length;
      const made = kind.make(context);
      if (made !== null) return made;
    }
  }
}

function ownHold({ ids, createdAt }: SampleCards, index: number): string[] {
  const [hold, card] = [ids.of('hold', index), ids.of('card', index)];
  const expiresAt = createdAt.replace(/^\d+/, (year) => String(Number(year) + 1).padStart(4, '0'));
  return [
    'O',
    hold,
    card,
    '100',
    'PEN',
    'X',
    '5411',
    'A1B2C3',
    '123456',
    '123456789012',
    createdAt,
    expiresAt,
  ];
}
